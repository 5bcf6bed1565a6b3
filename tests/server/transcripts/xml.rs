//! Reads an answer's XML: elements and text, nothing else may be in it.

/// An element.
#[derive(Debug)]
pub struct Element {
    pub name: String,
    /// `xmlns`, where it is given.
    pub namespace: Option<String>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn text_of(&self, name: &str) -> &str {
        self.child(name).map(|child| child.text.as_str()).unwrap_or_default()
    }
}

/// The root element of a document.
pub fn parse(text: &str) -> Result<Element, String> {
    let mut open: Vec<Element> = Vec::new();
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').ok_or("a tag without end")?;
        match open.last_mut() {
            Some(element) => element.text += &unescape(before)?,
            None if before.is_empty() => {}
            None => return Err(format!("text before the root element: {before}")),
        }
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let element = open.pop().filter(|element| element.name == name);
            let element = element.ok_or_else(|| format!("</{name}> closes nothing"))?;
            if !element.children.is_empty() && !element.text.is_empty() {
                return Err(format!("text beside the elements of {name}"));
            }
            match open.last_mut() {
                Some(parent) => parent.children.push(element),
                None if rest.is_empty() => return Ok(element),
                None => return Err(format!("after the root element: {rest}")),
            }
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let namespace = match attributes {
            "" => None,
            other => {
                let value = other.strip_prefix("xmlns=\"").and_then(|v| v.strip_suffix('"'));
                Some(value.ok_or_else(|| format!("unknown attributes: {tag}"))?.to_owned())
            }
        };
        let name = name.to_owned();
        open.push(Element { name, namespace, text: String::new(), children: Vec::new() });
    }
    Err(format!("no whole document: {text}"))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (entity, after) = piece.split_once(';').ok_or_else(|| format!("a bare &: {text}"))?;
        out += match entity {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "#xD" => "\r",
            other => return Err(format!("unknown entity &{other};")),
        };
        out += after;
    }
    Ok(out)
}

#[test]
fn only_whole_documents_are_read() {
    let root = parse("<a xmlns=\"u\"><b>1 &lt; 2</b><c></c></a>").unwrap();
    assert_eq!((root.namespace.as_deref(), root.text_of("b")), (Some("u"), "1 < 2"));
    assert!(root.child("c").unwrap().children.is_empty());
    for broken in ["", "x<a></a>", "<a></a>x", "<a><b></a></b>", "<a>&x;</a>", "<a>t<b></b></a>"] {
        assert!(parse(broken).is_err(), "{broken}");
    }
}
