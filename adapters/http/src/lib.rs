//! sagabus-adapter-http
