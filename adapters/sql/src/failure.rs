//! What a database's failure means. Before `COMMIT` is sent nothing has happened, whatever goes wrong: what is not
//! committed is rolled back. After that nobody knows, unless the database itself says no.

use sagabus_adapter_sdk::{Failure, Standard};
use sqlx::{Error, error::ErrorKind};

use crate::ACQUIRE_TIMEOUT;

/// Codes of conflicts with other transactions, which go away by themselves: PostgreSQL's and MySQL's SQLSTATEs for
/// serialization failure and deadlock, PostgreSQL's lock timeout; SQLite's BUSY, LOCKED and BUSY_SNAPSHOT; and "too many
/// connections" of the two.
const TRANSIENT: [&str; 9] = ["40001", "40P01", "55P03", "53300", "08004", "5", "6", "261", "517"];

/// MySQL's lock wait timeout, which has the SQLSTATE of errors in general.
const MYSQL_LOCK_WAIT: &str = "Lock wait timeout";

/// No connection, or none in time.
pub(crate) fn connection(error: Error) -> Failure {
    let detail = match &error {
        Error::PoolTimedOut => format!(
            "the database gave no connection within {} s: it cannot be reached, or all connections are in use",
            ACQUIRE_TIMEOUT.as_secs()
        ),
        other => format!("the database cannot be reached: {other}"),
    };
    Failure::without_effect(Standard::Communication, detail).with_status(503)
}

/// A statement failed, or the connection was lost on the way.
pub(crate) fn statement(error: &Error) -> Failure {
    let none = |standard, status| Failure::without_effect(standard, error.to_string()).with_status(status);
    match error {
        Error::Database(_) if is_transient(error) => none(Standard::Communication, 503),
        Error::Database(database) => match database.kind() {
            ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation | ErrorKind::ExclusionViolation => {
                none(Standard::Validation, 409)
            }
            ErrorKind::NotNullViolation | ErrorKind::CheckViolation => none(Standard::Validation, 400),
            _ => none(Standard::Runtime, 500),
        },
        Error::Encode(_) | Error::InvalidArgument(_) => none(Standard::Validation, 400),
        Error::Io(_) | Error::Tls(_) | Error::WorkerCrashed | Error::PoolTimedOut => none(Standard::Communication, 503),
        _ => none(Standard::Runtime, 500),
    }
}

/// `COMMIT` failed.
pub(crate) fn commit(error: &Error) -> Failure {
    let refused = match error {
        Error::Database(database) => is_transient(error) || database.kind() != ErrorKind::Other,
        _ => false,
    };
    if refused {
        return statement(error);
    }
    Failure::unknown(
        Standard::Communication,
        format!("the connection was lost while the transaction was being committed: {error}"),
    )
    .with_status(503)
}

/// Whether a statement failed because its table is not there: SQLSTATEs of PostgreSQL and MySQL, and SQLite's only code.
pub(crate) fn is_missing_table(error: &Error) -> bool {
    let Error::Database(database) = error else { return false };
    database.code().is_some_and(|code| ["42P01", "42S02", "1"].contains(&code.as_ref()))
}

fn is_transient(error: &Error) -> bool {
    let Error::Database(database) = error else { return false };
    database.code().is_some_and(|code| TRANSIENT.contains(&code.as_ref()))
        || database.message().contains(MYSQL_LOCK_WAIT)
}
