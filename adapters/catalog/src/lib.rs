//! sagabus-adapters
