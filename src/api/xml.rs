//! Answers of the AWS Query protocol: any serializable value, written straight as XML text.
//!
//! The protocol's shapes: a structure's fields are elements of that name, an absent option is no
//! element, a list wraps each element in `<member>`, a map writes
//! `<entry><key>..</key><value>..</value></entry>`, booleans are `true` and `false` (strict parsers
//! refuse `True`), bytes are base64, instants are ISO 8601. Nothing is indented.
//!
//! Text is escaped so that no value can end its element or break the document: `&`, `<` and `>` by
//! name, carriage return as `&#xD;` (a parser would turn it into a line feed), and a character that
//! XML 1.0 cannot carry at all (the other control characters, U+FFFE, U+FFFF) becomes U+FFFD.
//! Element names come from our own types and are never data.

use std::fmt::{self, Display, Write};

use serde::ser::{self, Impossible, Serialize};

#[cfg(test)]
mod tests;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client's: the same request will fail again.
    Sender,
    /// The server's: it may succeed later.
    Receiver,
}

/// The answer type cannot be written in this protocol: a programming error, not bad data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be written as XML: {0}")]
pub struct XmlError(String);

impl ser::Error for XmlError {
    fn custom<T: Display>(message: T) -> Self {
        XmlError(message.to_string())
    }
}

/// A successful answer. `result` is `None` for operations that answer nothing but success.
///
/// # Errors
/// If the type of `result` holds what the protocol has no form for, such as tuples.
pub fn response(
    operation: &str,
    namespace: &str,
    request_id: &str,
    result: Option<&impl Serialize>,
) -> Result<String, XmlError> {
    let mut out = String::with_capacity(512);
    out.push('<');
    out.push_str(operation);
    out.push_str("Response xmlns=\"");
    push_escaped(&mut out, namespace);
    out.push_str("\">");
    if let Some(result) = result {
        let name = format!("{operation}Result");
        result.serialize(Element { out: &mut out, name: &name })?;
    }
    out.push_str("<ResponseMetadata>");
    push_element(&mut out, "RequestId", request_id);
    out.push_str("</ResponseMetadata></");
    out.push_str(operation);
    out.push_str("Response>");
    Ok(out)
}

/// An error answer.
pub fn error(namespace: &str, fault: Fault, code: &str, message: &str, request_id: &str) -> String {
    let fault = match fault {
        Fault::Sender => "Sender",
        Fault::Receiver => "Receiver",
    };
    let mut out = String::with_capacity(256 + message.len());
    out.push_str("<ErrorResponse xmlns=\"");
    push_escaped(&mut out, namespace);
    out.push_str("\"><Error>");
    push_element(&mut out, "Type", fault);
    push_element(&mut out, "Code", code);
    push_element(&mut out, "Message", message);
    out.push_str("</Error>");
    push_element(&mut out, "RequestId", request_id);
    out.push_str("</ErrorResponse>");
    out
}

fn push_element(out: &mut String, name: &str, text: &str) {
    open(out, name);
    push_escaped(out, text);
    close(out, name);
}

fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

/// Bytes that an answer has around one long value.
const AROUND: usize = 1024;

/// Writes one value as an element of this name, or nothing for `None`.
struct Element<'a> {
    out: &'a mut String,
    name: &'a str,
}

impl Element<'_> {
    fn text(self, text: &str) -> Result<(), XmlError> {
        push_element(self.out, self.name, text);
        Ok(())
    }

    /// For what needs no escaping.
    fn plain(self, value: impl Display) -> Result<(), XmlError> {
        open(self.out, self.name);
        // Writing to a String does not fail.
        let _: fmt::Result = write!(self.out, "{value}");
        close(self.out, self.name);
        Ok(())
    }

    fn number(self, value: f64) -> Result<(), XmlError> {
        if value.is_infinite() {
            return self.plain(if value > 0.0 { "Infinity" } else { "-Infinity" });
        }
        self.plain(value)
    }
}

impl<'a> Element<'a> {
    fn parts(self) -> Parts<'a> {
        open(self.out, self.name);
        Parts { out: self.out, name: self.name, key: None }
    }
}

/// The parts within an element that is already open: fields, members or entries.
struct Parts<'a> {
    out: &'a mut String,
    name: &'a str,
    /// The map key whose value comes next.
    key: Option<String>,
}

impl Parts<'_> {
    fn part<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), XmlError> {
        value.serialize(Element { out: self.out, name })
    }

    fn finish(self) -> Result<(), XmlError> {
        close(self.out, self.name);
        Ok(())
    }
}

fn no_form<T>(what: &str) -> Result<T, XmlError> {
    Err(XmlError(format!("the Query protocol has no form for {what}")))
}

macro_rules! write_plain {
    ($($method:ident $type:ty)*) => {$(
        fn $method(self, value: $type) -> Result<(), XmlError> {
            self.plain(value)
        }
    )*};
}

impl<'a> ser::Serializer for Element<'a> {
    type Ok = ();
    type Error = XmlError;
    type SerializeSeq = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeTuple = Impossible<(), XmlError>;
    type SerializeTupleStruct = Impossible<(), XmlError>;
    type SerializeTupleVariant = Impossible<(), XmlError>;
    type SerializeStructVariant = Impossible<(), XmlError>;

    write_plain! {
        serialize_bool bool
        serialize_i8 i8 serialize_i16 i16 serialize_i32 i32 serialize_i64 i64
        serialize_u8 u8 serialize_u16 u16 serialize_u32 u32 serialize_u64 u64
    }

    fn serialize_f32(self, value: f32) -> Result<(), XmlError> {
        if value.is_finite() { self.plain(value) } else { self.number(f64::from(value)) }
    }

    fn serialize_f64(self, value: f64) -> Result<(), XmlError> {
        self.number(value)
    }

    fn serialize_char(self, value: char) -> Result<(), XmlError> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), XmlError> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), XmlError> {
        let base64 = &data_encoding::BASE64;
        // Megabytes, in a credential report: an answer that grows by doubling would leave its halves behind.
        self.out.reserve(base64.encode_len(value.len()) + AROUND);
        open(self.out, self.name);
        base64.encode_append(value, self.out);
        close(self.out, self.name);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), XmlError> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), XmlError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), XmlError> {
        self.text("")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), XmlError> {
        self.text("")
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), XmlError> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), XmlError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), XmlError> {
        no_form("enums with content")
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Parts<'a>, XmlError> {
        Ok(self.parts())
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Parts<'a>, XmlError> {
        Ok(self.parts())
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Parts<'a>, XmlError> {
        Ok(self.parts())
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self::SerializeTuple, XmlError> {
        no_form("tuples")
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleStruct, XmlError> {
        no_form("tuples")
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, XmlError> {
        no_form("enums with content")
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, XmlError> {
        no_form("enums with content")
    }
}

impl ser::SerializeStruct for Parts<'_> {
    type Ok = ();
    type Error = XmlError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), XmlError> {
        self.part(name, value)
    }

    fn end(self) -> Result<(), XmlError> {
        self.finish()
    }
}

impl ser::SerializeSeq for Parts<'_> {
    type Ok = ();
    type Error = XmlError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), XmlError> {
        self.part("member", value)
    }

    fn end(self) -> Result<(), XmlError> {
        self.finish()
    }
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = XmlError;

    /// Keeps the key until its value comes: an entry without value is not written.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), XmlError> {
        let mut written = String::new();
        key.serialize(Element { out: &mut written, name: "key" })?;
        self.key = Some(written);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), XmlError> {
        let Some(key) = self.key.take() else { return no_form("a value without key") };
        let before = self.out.len();
        open(self.out, "entry");
        self.out.push_str(&key);
        let empty = self.out.len();
        self.part("value", value)?;
        if self.out.len() == empty {
            self.out.truncate(before);
        } else {
            close(self.out, "entry");
        }
        Ok(())
    }

    fn end(self) -> Result<(), XmlError> {
        self.finish()
    }
}
