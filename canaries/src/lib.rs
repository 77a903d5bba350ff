//! Planted bugs, one at a time, for tests and the simulator to catch. A crate lists its own with [`canaries!`], and
//! [`planting!`] lets one be planted in a thread. Both belong into its module `canary`; it needs the feature `canary`,
//! without which no bug exists in the binary.

/// The enum `Canary` of these bugs, each with a comment that says what is wrong.
#[macro_export]
macro_rules! canaries {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A known bug that can be planted.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Canary { $($(#[$doc])* $name,)* }

        impl Canary {
            /// All of them.
            pub const ALL: &[Canary] = &[$(Canary::$name,)*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Canary::$name => stringify!($name),)* }
            }
        }
    };
}

/// `Planted`, by which tests plant a `Canary`, and `planted`, by which the crate asks whether one is: never, without the
/// feature.
#[macro_export]
macro_rules! planting {
    () => {
        #[cfg(feature = "canary")]
        mod planted {
            use std::cell::Cell;

            use super::Canary;

            thread_local! {
                static PLANTED: Cell<Option<Canary>> = const { Cell::new(None) };
            }

            /// A bug that is planted in this thread for as long as this lives.
            #[derive(Debug)]
            pub struct Planted(Option<Canary>);

            impl Planted {
                /// Plants a bug, or none.
                #[must_use]
                pub fn new(canary: Option<Canary>) -> Self {
                    Self(PLANTED.replace(canary))
                }
            }

            impl Drop for Planted {
                fn drop(&mut self) {
                    PLANTED.set(self.0);
                }
            }

            pub(crate) fn planted(canary: Canary) -> bool {
                PLANTED.get() == Some(canary)
            }
        }

        #[cfg(feature = "canary")]
        pub use planted::Planted;
        #[cfg(feature = "canary")]
        pub(crate) use planted::planted;

        /// No bug is planted.
        #[cfg(not(feature = "canary"))]
        pub(crate) const fn planted(_: Canary) -> bool {
            false
        }
    };
}
