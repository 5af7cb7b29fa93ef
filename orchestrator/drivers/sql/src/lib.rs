//! sagabus-driver-sql
