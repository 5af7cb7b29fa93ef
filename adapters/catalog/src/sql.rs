//! `type = "sql"`.

use std::sync::Arc;

use sagabus_adapter_sdk::Adapter;

use crate::{ConfigError, table::Table};

pub(crate) fn build(table: Table<'_>) -> Result<Arc<dyn Adapter>, ConfigError> {
    Err(table.error("the SQL adapter is not available in this version"))
}
