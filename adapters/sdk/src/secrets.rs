//! Secrets: known to workers, and to nobody else.
