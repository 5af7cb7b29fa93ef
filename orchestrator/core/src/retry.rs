//! When to try again: the arithmetic of the DSL's retry policies.
