//! sagabus-adapter-process
