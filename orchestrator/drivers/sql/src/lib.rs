//! The store in SQL, today on SQLite: one writer that commits in batches, a few readers, and views for people.
//!
//! Called by the composition root through [`open`], by everyone else through `dyn Store`. Imports `core` for the values
//! that it keeps and `ports` for the seam; it decides nothing. `sqlite` holds all that is SQLite's own (files, locks,
//! pragmas, result codes, migrations); the statements of `commit` and `read` are common SQL, but for how they take their
//! rows out of a JSON array.

mod commit;
mod read;
mod sqlite;
mod store;

use std::sync::Arc;

use sagabus_ports::{Result, Store};

/// What a store is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// By an engine, which must be the only one: creates what is missing, migrates, and keeps a lock while the store is
    /// open.
    Own,
    /// By a process that puts causes into the inbox beside the owner. The store must exist.
    Write,
    /// By a process that only looks. The store must exist.
    Read,
}

/// Opens the store at `url`: `sqlite:PATH`, or `sqlite::memory:` for one that is gone when it is dropped.
///
/// # Errors
/// `Invalid`: not such a URL. `NotFound`: no such store, and it is not to be created. `Unreachable`: another process
/// owns it, or the file cannot be opened. `Corrupt`: it is of a newer version, needs a migration that only its owner
/// makes, or is not a store of ours.
pub async fn open(url: &str, access: Access) -> Result<Arc<dyn Store>> {
    let database = sqlite::Database::open(url, access).await?;
    Ok(Arc::new(store::SqlStore::new(database)))
}
