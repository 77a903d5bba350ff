//! What the operator of KvCluster does next, as a pure function of what it observed.
