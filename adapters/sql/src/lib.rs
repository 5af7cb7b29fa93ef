//! sagabus-adapter-sql
