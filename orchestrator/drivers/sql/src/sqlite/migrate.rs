//! Brings the schema up to date, and refuses one that this program does not know.

use sagabus_ports::{Error, Kind, Result, Retry};
use sqlx::{Connection as _, SqlitePool};

use super::failure;

/// In order; the first is version 1. Never edited once released.
const MIGRATIONS: [&str; 1] = [include_str!("../../../../../migrations/sqlite/0001_first.sql")];

/// Marks a file as ours: "saga" in ASCII, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x7361_6761;

/// Applies the migrations that are missing, each in a transaction of its own.
pub(super) async fn bring_up_to_date(writer: &SqlitePool, name: &str) -> Result<()> {
    let operation = format!("migrate the store `{name}`");
    let present = known_version(writer, name).await?;
    let mut connection = writer.acquire().await.map_err(failure(operation.as_str()))?;
    for (migration, version) in MIGRATIONS.iter().zip(1_i64..).skip(present) {
        let step = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
            // A pragma takes no parameters, and both are numbers of ours.
            let mark = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(mark)).execute(&mut *transaction).await?;
            transaction.commit().await
        };
        step.await.map_err(failure(format!("{operation} to version {version}")))?;
    }
    Ok(())
}

/// Whether the schema is exactly the one that this program knows.
pub(super) async fn check(reader: &SqlitePool, name: &str) -> Result<()> {
    let present = known_version(reader, name).await?;
    if present < MIGRATIONS.len() {
        let wanted = MIGRATIONS.len();
        return Err(refusal(format!(
            "open the store `{name}`: its schema has version {present}, this program wants {wanted}; run `sagabus migrate`"
        )));
    }
    Ok(())
}

/// The version of the schema: 0 for a new file.
async fn known_version(pool: &SqlitePool, name: &str) -> Result<usize> {
    let read = async {
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await?;
        let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(pool).await?;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(pool).await?;
        Ok((version, application, tables))
    };
    let (version, application, tables) = read.await.map_err(failure(format!("open the store `{name}`")))?;
    let is_ours = application == APPLICATION_ID || (tables == 0 && version == 0);
    let version = usize::try_from(version).ok().filter(|_| is_ours);
    let Some(version) = version else {
        return Err(refusal(format!(
            "open the store `{name}`: this is a database of another program; name another file"
        )));
    };
    if version > MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(refusal(format!(
            "open the store `{name}`: its schema has version {version}, this program knows {known}; use a newer sagabus"
        )));
    }
    Ok(version)
}

fn refusal(text: String) -> Error {
    Error::new(Kind::Corrupt, Retry::Never, text)
}
