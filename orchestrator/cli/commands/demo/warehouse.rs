//! The demo's warehouse: a SQLite file of its own, as if it belonged to somebody else.

use std::path::Path;

use serde_json::{Value, json};
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

/// What the warehouse can do: a statement each.
pub(super) fn functions() -> Value {
    json!({
        "reserve": {
            "statement": "INSERT INTO reservations (order_number, sku, quantity) \
                          SELECT :order, :sku, :quantity FROM available \
                          WHERE sku = :sku AND quantity >= :quantity RETURNING order_number AS reservation",
        },
        "release": { "statement": "DELETE FROM reservations WHERE order_number = :order" },
    })
}
