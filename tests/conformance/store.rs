//! Questions to a store: `committing` and `reading` what was committed, `lasting` over restarts and beside other processes,
//! `views` for people, `random` comparison with the model, and what is SQLite's own in `sqlite`.

mod committing;
mod lasting;
mod random;
mod reading;
mod sqlite;
mod views;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use sagabus_driver_sql::Access;
use sagabus_kit::model_store::ModelStore;
use sagabus_ports::{Result, Store};
use sqlx::{Column as _, Connection as _, Row as _, SqliteConnection, ValueRef as _};

/// Where a driver keeps its data while a question is asked.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens the store that is here.
    async fn open(&self, access: Access) -> Result<Arc<dyn Store>>;
}

/// A place that people can look into with SQL.
#[async_trait]
pub(crate) trait SqlPlace: Place {
    /// The rows of a query: name and text of every column, `NULL` where there is none.
    async fn select(&self, query: &str) -> anyhow::Result<Vec<Vec<(String, String)>>>;
}

/// Asks each of these questions of each of these places, in a test of its own.
macro_rules! suite {
    ($questions:tt $($driver:ident = $place:expr;)*) => { $( suite!(@driver $driver, $place, $questions); )* };
    (@driver $driver:ident, $place:expr, { $($room:ident: $($question:ident)*;)* }) => {
        mod $driver {
            use super::*;
            $($(
                #[tokio::test]
                async fn $question() -> anyhow::Result<()> {
                    super::super::$room::$question(&$place).await
                }
            )*)*
        }
    };
}

/// Of every store.
mod every {
    use super::{SharedStore, SqliteFile};

    suite! {
        {
            committing:
                a_batch_is_all_there_or_not_at_all
                a_conflicting_change_is_left_out_and_the_others_are_not
                a_key_starts_one_instance
                committing_twice_changes_nothing
                a_batch_that_breaks_the_contract_is_refused
                the_end_takes_timers_and_subscriptions_along
                causes_come_from_outside_once
                strange_text_comes_back_as_it_was
                a_large_batch_is_one_commit;
            reading:
                journals_are_loaded_in_the_order_asked_for
                due_timers_come_earliest_first_with_the_next_one
                timers_are_replaced_cleared_consumed_and_expired
                outstanding_calls_are_what_was_committed
                retries_say_why_and_when
                listeners_are_found_by_type
                inbox_and_outbox_are_read_in_pages
                deployments_are_replaced_and_sources_kept
                instances_are_listed_newest_first;
            random: answers_agree_with_the_model;
        }
        model = SharedStore::model();
        sqlite_memory = SharedStore::sqlite().await?;
        sqlite = SqliteFile::new()?;
    }
}

/// Of stores that outlive their process, and that people read with SQL.
mod lasting_ones {
    use super::SqliteFile;

    suite! {
        {
            lasting:
                everything_is_there_after_reopening
                a_second_owner_is_refused
                another_process_may_enqueue_and_read
                what_is_not_there_is_not_created_by_accident;
            views:
                tasks_are_one_row_for_each_execution
                tasks_agree_with_the_report
                documented_queries_answer
                every_column_is_documented;
        }
        sqlite = SqliteFile::new()?;
    }
}

/// A SQLite file in a folder that goes when the question is answered.
pub(crate) struct SqliteFile {
    folder: tempfile::TempDir,
}

impl SqliteFile {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { folder: tempfile::tempdir()? })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// The file itself, past the driver.
    pub(crate) async fn connect(&self) -> anyhow::Result<SqliteConnection> {
        Ok(SqliteConnection::connect(&format!("sqlite:{}", self.path().display())).await?)
    }
}

#[async_trait]
impl Place for SqliteFile {
    async fn open(&self, access: Access) -> Result<Arc<dyn Store>> {
        sagabus_driver_sql::open(&format!("sqlite:{}", self.path().display()), access).await
    }
}

#[async_trait]
impl SqlPlace for SqliteFile {
    async fn select(&self, query: &str) -> anyhow::Result<Vec<Vec<(String, String)>>> {
        let mut connection = self.connect().await?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut connection).await?;
        let text = |row: &sqlx::sqlite::SqliteRow, column: &sqlx::sqlite::SqliteColumn| {
            let index = column.ordinal();
            let text = match row.try_get_raw(index)?.is_null() {
                true => "NULL".to_owned(),
                false => row
                    .try_get_unchecked::<String, _>(index)
                    .or_else(|_| row.try_get_unchecked::<i64, _>(index).map(|number| number.to_string()))?,
            };
            anyhow::Ok((column.name().to_owned(), text))
        };
        rows.iter().map(|row| row.columns().iter().map(|column| text(row, column)).collect()).collect()
    }
}

/// A store that is gone when it is dropped: opening it again gives the same one.
pub(crate) struct SharedStore(Arc<dyn Store>);

impl SharedStore {
    fn model() -> Self {
        Self(Arc::new(ModelStore::new()))
    }

    async fn sqlite() -> anyhow::Result<Self> {
        Ok(Self(sagabus_driver_sql::open("sqlite::memory:", Access::Own).await?))
    }
}

#[async_trait]
impl Place for SharedStore {
    async fn open(&self, _access: Access) -> Result<Arc<dyn Store>> {
        Ok(Arc::clone(&self.0))
    }
}
