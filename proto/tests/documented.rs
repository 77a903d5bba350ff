//! What reflection serves documents itself: every service, call and field of what people use has a comment.

#![expect(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// Places in a file, as `google.protobuf.SourceCodeInfo` counts them.
const MESSAGE: i32 = 4;
const SERVICE: i32 = 6;
const FIELD: i32 = 2;
const METHOD: i32 = 2;

fn is_documented(file: &FileDescriptorProto, path: &[i32]) -> bool {
    let info = file.source_code_info.as_ref().unwrap();
    let comment = |location: &prost_types::source_code_info::Location| {
        !location.leading_comments().trim().is_empty() || !location.leading_detached_comments.is_empty()
    };
    info.location.iter().any(|location| location.path == path && comment(location))
}

fn missing(file: &FileDescriptorProto) -> Vec<String> {
    let mut missing = Vec::new();
    for (at, service) in (0..).zip(&file.service) {
        if !is_documented(file, &[SERVICE, at]) {
            missing.push(service.name().to_owned());
        }
        for (place, method) in (0..).zip(&service.method) {
            if !is_documented(file, &[SERVICE, at, METHOD, place]) {
                missing.push(format!("{}.{}", service.name(), method.name()));
            }
        }
    }
    for (at, message) in (0..).zip(&file.message_type) {
        missing.extend(missing_in(file, at, message));
    }
    missing
}

fn missing_in(file: &FileDescriptorProto, at: i32, message: &DescriptorProto) -> Vec<String> {
    let fields = (0..).zip(&message.field);
    let undocumented = fields.filter(|(place, _)| !is_documented(file, &[MESSAGE, at, FIELD, *place]));
    undocumented.map(|(_, field)| format!("{}.{}", message.name(), field.name())).collect()
}

#[test]
fn everything_that_people_use_has_a_comment() {
    let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
    let files: Vec<_> = set.file.iter().filter(|file| file.package().starts_with("kvcluster.")).collect();
    assert_eq!(files.len(), 4);
    let missing: Vec<_> = files
        .iter()
        .filter(|file| file.package() != "kvcluster.peer.v1")
        .flat_map(|file| missing(file))
        .collect();
    assert!(missing.is_empty(), "without a comment: {missing:#?}");
}
