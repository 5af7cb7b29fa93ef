//! `migrate`: brings a database up to date.

use std::path::Path;

use sagabus_driver_sql::Access;

use crate::{
    arguments::Migrate,
    compose,
    exit::{Exit, Refused},
    print,
    settings::Settings,
};

/// Applies migrations. On SQLite whoever owns the database does so by itself; here nothing else follows.
pub(crate) async fn perform(migrate: Migrate, config: Option<&Path>) -> Result<Exit, Refused> {
    let url = Settings::read(config, None)?.database(migrate.database.db.as_deref());
    compose::open(&url, Access::Own).await?;
    print::note(&format!("{url} is up to date"));
    Ok(Exit::Done)
}
