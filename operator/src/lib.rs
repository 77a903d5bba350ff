//! The parts of kv-operator.
