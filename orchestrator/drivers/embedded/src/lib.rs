//! sagabus-driver-embedded
