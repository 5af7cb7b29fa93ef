//! The demo's warehouse: a SQLite file of its own, as if it belonged to somebody else.

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

/// The tables and the stock. Run again, it brings the stock up again.
const TABLES: &str = include_str!("../../../../workflows/order-saga/warehouse.sql");

/// What an earlier demo reserved has long been delivered.
const DELIVER: &str = "DELETE FROM reservations";

/// Creates the warehouse, if it is not there.
pub(super) async fn stock(file: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::raw_sql(TABLES).execute(&mut connection).await?;
    sqlx::raw_sql(DELIVER).execute(&mut connection).await?;
    connection.close().await
}
