//! The written form, by hand and against the published answers.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Deserialize, Serialize, Serializer};

use super::{Fault, error, response};

const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListUsersResult {
    is_truncated: bool,
    marker: Option<String>,
    users: Vec<User>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct User {
    user_name: String,
    tags: Vec<String>,
    summary: BTreeMap<String, Option<u32>>,
}

#[test]
fn a_result_is_written_in_the_shapes_of_the_protocol() {
    let user = User {
        user_name: "k & <v>".to_owned(),
        tags: vec!["a".to_owned(), String::new()],
        summary: [("Users".to_owned(), Some(3)), ("None".to_owned(), None)].into(),
    };
    let result = ListUsersResult { is_truncated: false, marker: None, users: vec![user] };
    assert_eq!(
        response("ListUsers", IAM, "r-1", Some(&result)).unwrap(),
        "<ListUsersResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListUsersResult>\
         <IsTruncated>false</IsTruncated><Users><member><UserName>k &amp; &lt;v&gt;</UserName>\
         <Tags><member>a</member><member></member></Tags><Summary><entry><key>Users</key>\
         <value>3</value></entry></Summary></member></Users></ListUsersResult><ResponseMetadata>\
         <RequestId>r-1</RequestId></ResponseMetadata></ListUsersResponse>"
    );
}

#[test]
fn an_operation_without_result_answers_its_request_id() {
    assert_eq!(
        response("DeleteUser", IAM, "r-1", None::<&()>).unwrap(),
        "<DeleteUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ResponseMetadata>\
         <RequestId>r-1</RequestId></ResponseMetadata></DeleteUserResponse>"
    );
}

#[test]
fn an_error_says_whose_fault_it_is() {
    assert_eq!(
        error(IAM, Fault::Sender, "NoSuchEntity", "no <user>", "r-1"),
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error>\
         <Type>Sender</Type><Code>NoSuchEntity</Code><Message>no &lt;user&gt;</Message></Error>\
         <RequestId>r-1</RequestId></ErrorResponse>"
    );
    assert!(
        error(IAM, Fault::Receiver, "ServiceFailure", "", "r").contains("<Type>Receiver</Type>")
    );
}

#[test]
fn what_xml_cannot_carry_is_replaced_or_escaped() {
    let text = "a\0\u{1b}\r\n\t\u{fffe}]]>\"\u{1f600}";
    let answer = response("Op", IAM, "r", Some(&BTreeMap::from([("k", text)]))).unwrap();
    let expected = "<value>a\u{fffd}\u{fffd}&#xD;\n\t\u{fffd}]]&gt;&quot;\u{1f600}</value>";
    assert!(answer.contains(expected), "{answer}");
}

#[test]
fn numbers_that_are_none_have_names() {
    let answer = response("Op", IAM, "r", Some(&vec![f64::NAN, f64::INFINITY, -f64::INFINITY]));
    let members = "<member>NaN</member><member>Infinity</member><member>-Infinity</member>";
    assert!(answer.unwrap().contains(members));
}

#[test]
fn a_type_without_form_is_an_error() {
    let refused = response("Op", IAM, "r", Some(&(1, 2))).unwrap_err();
    assert!(refused.to_string().contains("tuples"));
}

proptest! {
    #[test]
    fn no_text_can_leave_its_element(text in any::<String>()) {
        let answer = error(IAM, Fault::Sender, "Code", &text, "r");
        let inner = answer.split_once("<Message>").unwrap().1.split_once("</Message>").unwrap();
        prop_assert!(!inner.0.contains(['<', '>']));
        prop_assert_eq!(inner.1, "</Error><RequestId>r</RequestId></ErrorResponse>");
    }
}

/// A typed value of the vectors.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Typed {
    Text(String),
    Bytes(String),
    Number(serde_json::Number),
    Bool(bool),
    List(Vec<Typed>),
    Map(Vec<(String, Typed)>),
    Struct(Vec<(String, Typed)>),
}

impl Serialize for Typed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Typed::Text(text) => serializer.serialize_str(text),
            Typed::Bytes(text) => serializer.serialize_bytes(text.as_bytes()),
            Typed::Number(number) => match number.as_i64() {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(number.as_f64().unwrap()),
            },
            Typed::Bool(value) => serializer.serialize_bool(*value),
            Typed::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|value| seq.serialize_element(value))?;
                seq.end()
            }
            Typed::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Typed::Struct(fields) => {
                let mut out = serializer.serialize_struct("Struct", fields.len())?;
                for (name, value) in fields {
                    out.serialize_field(name.clone().leak(), value)?;
                }
                out.end()
            }
        }
    }
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    operation: String,
    value: Typed,
    body: String,
}

#[test]
fn the_published_answers_are_written_alike() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors/query_outputs.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines() {
        let vector: Vector = serde_json::from_str(line).unwrap();
        let written =
            response(&vector.operation, "https://example.com/", "r", Some(&vector.value)).unwrap();
        let metadata = "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>";
        assert_eq!(written.replace(metadata, ""), vector.body, "{}", vector.name);
    }
    assert!(text.lines().count() >= 15);
}
