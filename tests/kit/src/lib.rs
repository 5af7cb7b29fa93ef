//! sagabus-kit
