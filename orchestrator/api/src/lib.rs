//! sagabus-api
