//! What can go wrong while a cluster is looked after. All of it is tried again.

use std::time::Duration;

use crate::admin::AdminError;
use crate::lease::NotHeld;

/// Why a pass over a cluster ended early.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// This process may not act.
    #[error(transparent)]
    NotLeading(#[from] NotHeld),
    /// The API server refused, or cannot be reached.
    #[error("{call}: {}", reason(.source))]
    Api {
        /// What was asked of it.
        call: &'static str,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// The API server did not answer.
    #[error("{call}: no answer of the API server in {} s: it is tried again", .after.as_secs())]
    Timeout {
        /// What was asked of it.
        call: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// What was planned on is not so any more: plan again.
    #[error("{what} changed meanwhile: it is looked at again")]
    Outdated {
        /// The object.
        what: String,
    },
    /// A name that the operator needs is taken by something that it did not make.
    #[error("{what} exists and does not belong to this cluster: delete or rename it")]
    NameTaken {
        /// The object.
        what: String,
    },
    /// A node refused, or cannot be reached.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

/// In one line: the `Display` of kube repeats itself.
fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            let advice = match status.code {
                403 if status.message.contains("quota") => ": raise the quota of the namespace",
                403 => ": install the roles of this version's chart",
                _ => "",
            };
            format!("{} ({} {}){advice}", status.message, status.code, status.reason)
        }
        other => format!("{other}: it is tried again; does the API server run, and may this pod reach it?"),
    }
}

impl Error {
    /// An answer of the API server to `call`.
    pub fn api(call: &'static str, source: kube::Error) -> Self {
        Self::Api { call, source: Box::new(source) }
    }

    /// One word for metrics and events.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotLeading(_) => "NotLeading",
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.is_conflict() => "Conflict",
                kube::Error::Api(status) if status.is_forbidden() => "Forbidden",
                kube::Error::Api(status) if status.is_invalid() => "Invalid",
                kube::Error::Api(status) if status.is_not_found() => "NotFound",
                kube::Error::Api(_) => "ApiRefused",
                _ => "ApiUnreachable",
            },
            Self::Timeout { .. } => "ApiTimeout",
            Self::Outdated { .. } => "Outdated",
            Self::NameTaken { .. } => "NameTaken",
            Self::Admin(error) => error.kind(),
        }
    }

    /// The operator has no right to delete what an action deletes.
    #[must_use]
    pub fn forbids_deletion(&self) -> bool {
        matches!(self, Self::Api { call: "delete", .. }) && self.kind() == "Forbidden"
    }

    /// Nothing is wrong: the plan was made on what had changed already.
    #[must_use]
    pub fn is_race(&self) -> bool {
        matches!(self.kind(), "Conflict" | "Outdated" | "Fenced" | "NotFound" | "NotNow" | "NotLeader")
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn an_answer_of_the_api_server_is_one_line_with_its_reason() {
        let status = Status::failure("it is another one", "Conflict").with_code(409).boxed();
        let error = Error::api("delete claim", kube::Error::Api(status));
        assert_eq!(error.to_string(), "delete claim: it is another one (409 Conflict)");
        assert_eq!((error.kind(), error.is_race()), ("Conflict", true));
    }

    #[test]
    fn a_missing_right_says_what_to_install() {
        let status = Status::failure("pods is forbidden", "Forbidden").with_code(403).boxed();
        let error = Error::api("delete pod", kube::Error::Api(status));
        assert!(error.to_string().ends_with("roles of this version's chart"), "{error}");
        let status = Status::failure("exceeded quota: x", "Forbidden").with_code(403).boxed();
        let error = Error::api("create claim", kube::Error::Api(status));
        assert!(error.to_string().ends_with("quota of the namespace"), "{error}");
    }

    #[test]
    fn a_deletion_may_be_forbidden() {
        let forbidden = |call| {
            let status = Status::failure("no", "Forbidden").with_code(403).boxed();
            Error::api(call, kube::Error::Api(status)).forbids_deletion()
        };
        assert!(forbidden("delete") && !forbidden("apply Service"));
    }

    #[test]
    fn a_lost_lease_is_no_race() {
        let error = Error::from(NotHeld);
        assert_eq!((error.kind(), error.is_race()), ("NotLeading", false));
    }
}
