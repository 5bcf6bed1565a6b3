//! The twin: policy evaluation written as plainly as possible over `serde_json::Value`, directly from
//! the rules. It parses everything anew for every question, allocates freely and shares nothing with
//! the library.

use serde_json::Value;

/// One character of an expanded pattern.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    Char(char),
    Star,
    Question,
}

fn matches(pattern: &[Token], text: &[char]) -> bool {
    // reachable[i]: the pattern so far can have consumed i characters.
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for token in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            if !reachable[at] {
                continue;
            }
            match token {
                Token::Star => next[at..].fill(true),
                Token::Question if at < text.len() => next[at + 1] = true,
                Token::Char(c) if text.get(at) == Some(c) => next[at + 1] = true,
                _ => {}
            }
        }
        reachable = next;
    }
    reachable[text.len()]
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn lookup<'c>(context: &'c Value, key: &str) -> Option<&'c Value> {
    let found =
        context.as_object()?.iter().find(|(name, _)| name.to_lowercase() == key.to_lowercase())?.1;
    match found {
        Value::Null => None,
        Value::Array(values) if values.is_empty() => None,
        found => Some(found),
    }
}

/// The tokens of a pattern; `None` when a variable has no single value.
fn expand(text: &str, wildcards: bool, variables: bool, context: &Value) -> Option<Vec<Token>> {
    let all = chars(text);
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let close = all[at..].iter().position(|c| *c == '}').map(|offset| at + offset);
        match (all[at], all.get(at + 1), close) {
            ('$', Some('{'), Some(close)) if variables => {
                let inner: String = all[at + 2..close].iter().collect();
                let value = if ["*", "?", "$"].contains(&inner.as_str()) {
                    inner
                } else {
                    let (key, default) = match inner.split_once(", ") {
                        Some((key, quoted)) => {
                            (key.to_owned(), Some(quoted.trim_matches('\'').to_owned()))
                        }
                        None => (inner, None),
                    };
                    match lookup(context, &key) {
                        Some(Value::String(value)) => value.clone(),
                        Some(_) => return None,
                        None => default?,
                    }
                };
                tokens.extend(value.chars().map(Token::Char));
                at = close;
            }
            ('*', ..) if wildcards => tokens.push(Token::Star),
            ('?', ..) if wildcards => tokens.push(Token::Question),
            (c, ..) => tokens.push(Token::Char(c)),
        }
        at += 1;
    }
    Some(tokens)
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn action_fits(statement: &Value, action: &str) -> bool {
    let one = |pattern: &String| {
        if pattern.contains([' ', ',']) {
            return false;
        }
        let tokens = expand(&pattern.to_lowercase(), true, false, &Value::Null).unwrap();
        matches(&tokens, &chars(&action.to_lowercase()))
    };
    match statement.get("Action") {
        Some(actions) => strings(actions).iter().any(one),
        None => !strings(&statement["NotAction"]).iter().any(one),
    }
}

fn resource_fits(
    statement: &Value,
    variables: bool,
    on_resource: bool,
    resource: &str,
    context: &Value,
) -> bool {
    let one = |pattern: &String| {
        if pattern == "*" {
            return true;
        }
        let value: Vec<&str> = resource.splitn(6, ':').collect();
        if value.len() < 6 || value[0] != "arn" {
            return false;
        }
        let mut fields: Vec<&str> = pattern.splitn(6, ':').collect();
        if fields.len() < 6 && on_resource && !pattern.ends_with('*') {
            return false;
        }
        while fields.len() < 6 {
            fields.push("*");
        }
        (0..6).all(|field| {
            expand(fields[field], true, variables && field == 5, context)
                .is_some_and(|tokens| matches(&tokens, &chars(value[field])))
        })
    };
    match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(resources), _) => strings(resources).iter().any(one),
        (None, Some(resources)) => !strings(resources).iter().any(one),
        (None, None) => true,
    }
}

fn seconds(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(i64::from(seconds));
    }
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let (time, shift) = match time.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => {
            let (time, zone) = time.split_at(time.rfind(['+', '-'])?);
            let (hours, minutes) = zone.split_once(':')?;
            let minutes =
                hours.get(1..)?.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            (time, if zone.starts_with('-') { -minutes * 60 } else { minutes * 60 })
        }
    };
    let date: Vec<i64> = date.split('-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let time: Vec<i64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut days = 0;
    for year in 1970..date[0] {
        days += if leap(year) { 366 } else { 365 };
    }
    let february = if leap(date[0]) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days += months.iter().take(usize::try_from(date[1]).ok()? - 1).sum::<i64>() + date[2] - 1;
    Some(days * 86_400 + time[0] * 3600 + time[1] * 60 + time[2] - shift)
}

fn decimal(text: &str) -> Option<f64> {
    let first = text.trim_start_matches('-').chars().next()?;
    first.is_ascii_digit().then(|| text.parse().ok()).flatten()
}

fn address(text: &str) -> Option<(u8, u128)> {
    match text.parse().ok()? {
        std::net::IpAddr::V4(address) => Some((32, u128::from(u32::from(address)))),
        std::net::IpAddr::V6(address) => Some((128, u128::from(address))),
    }
}

fn in_range(value: &str, range: &str) -> bool {
    let (network, length) = match range.split_once('/') {
        Some((network, length)) => (network, length.parse::<u8>().ok()),
        None => (range, address(range).map(|(bits, _)| bits)),
    };
    let (Some((bits, value)), Some((other, network)), Some(length)) =
        (address(value), address(network), length)
    else {
        return false;
    };
    let cut = |number: u128| if length == 0 { 0 } else { number >> (bits - length) };
    bits == other && length <= bits && cut(value) == cut(network)
}

fn base64(text: &str) -> bool {
    text.len().is_multiple_of(4)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
}

fn ordered<T: PartialOrd>(operator: &str, value: Option<T>, operand: Option<T>) -> bool {
    let (Some(value), Some(operand)) = (value, operand) else { return false };
    if operator.ends_with("LessThan") {
        value < operand
    } else if operator.ends_with("LessThanEquals") {
        value <= operand
    } else if operator.ends_with("GreaterThan") {
        value > operand
    } else if operator.ends_with("GreaterThanEquals") {
        value >= operand
    } else {
        value == operand
    }
}

/// Whether one value fits one operand of an operator from which `Not` has been taken.
fn fits(operator: &str, value: &str, operand: &str, variables: bool, context: &Value) -> bool {
    let like = |wildcards: bool, value: &str, operand: &str| {
        expand(operand, wildcards, variables, context)
            .is_some_and(|tokens| matches(&tokens, &chars(value)))
    };
    match operator {
        "StringEquals" => like(false, value, operand),
        "StringLike" => like(true, value, operand),
        "StringEqualsIgnoreCase" => {
            let lower = |token: &Token| match token {
                Token::Char(c) => Token::Char(c.to_ascii_lowercase()),
                other => *other,
            };
            expand(operand, false, variables, context).is_some_and(|tokens| {
                let tokens: Vec<Token> = tokens.iter().map(lower).collect();
                matches(&tokens, &chars(&value.to_ascii_lowercase()))
            })
        }
        "ArnEquals" | "ArnLike" => {
            let value: Vec<&str> = value.splitn(6, ':').collect();
            // The generated variables have one colon each, which is hidden while the fields are cut.
            let hidden = if variables {
                operand.replace("${aws:", "${aws\u{1}")
            } else {
                operand.to_owned()
            };
            let fields: Vec<String> =
                hidden.splitn(6, ':').map(|field| field.replace('\u{1}', ":")).collect();
            value.len() == 6
                && fields.len() == 6
                && value[0] == "arn"
                && (0..6).all(|field| like(true, value[field], &fields[field]))
        }
        "Bool" => {
            let value = value.to_lowercase();
            let wanted = expand(operand, false, variables, context);
            ["true", "false"].contains(&value.as_str())
                && wanted.is_some_and(|tokens| {
                    let text: String = tokens
                        .iter()
                        .map(|token| match token {
                            Token::Char(c) => c.to_ascii_lowercase(),
                            _ => '\0',
                        })
                        .collect();
                    text == value
                })
        }
        "BinaryEquals" => base64(value) && value == operand,
        "IpAddress" => in_range(value, operand),
        _ if operator.starts_with("Numeric") => ordered(operator, decimal(value), decimal(operand)),
        _ if operator.starts_with("Date") => ordered(operator, seconds(value), seconds(operand)),
        _ => panic!("{operator}"),
    }
}

fn condition_holds(
    name: &str,
    key: &str,
    operands: &Value,
    variables: bool,
    context: &Value,
) -> bool {
    let all = name.starts_with("ForAllValues:");
    let any = name.starts_with("ForAnyValue:");
    let operator = name.rsplit(':').next().unwrap();
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let negated = operator.contains("Not");
    let positive =
        if operator == "NotIpAddress" { "IpAddress".into() } else { operator.replace("Not", "") };
    let operands = strings(operands);
    let value = lookup(context, key);
    if operator == "Null" {
        let missing = if value.is_none() { "true" } else { "false" };
        return operands.iter().any(|operand| operand.to_lowercase() == missing);
    }
    let one = |value: &str| {
        operands.iter().any(|operand| fits(&positive, value, operand, variables, context))
            != negated
    };
    match value {
        None if all => true,
        None if any => false,
        None => if_exists || negated,
        Some(Value::Array(values)) => {
            let mut values = values.iter().map(|value| value.as_str().unwrap());
            if all { values.all(one) } else { any && values.any(one) }
        }
        Some(value) => one(value.as_str().unwrap()),
    }
}

fn conditions_hold(statement: &Value, variables: bool, context: &Value) -> bool {
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    operators
        .flat_map(|(name, keys)| {
            keys.as_object().unwrap().iter().map(move |(key, v)| (name, key, v))
        })
        .all(|(name, key, operands)| condition_holds(name, key, operands, variables, context))
}

const ACCOUNT: u8 = 1;
const ENTITY: u8 = 2;
const DIRECT: u8 = 3;

struct Caller {
    kind: &'static str,
    account: Option<String>,
    arn: String,
    id: String,
    /// Role of a session, user behind a federated session.
    behind_arn: String,
    behind_id: String,
}

fn caller(request: &Value) -> Caller {
    let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
    let arn = text("principal");
    let account = arn.split(':').nth(4).map(str::to_owned);
    let (kind, behind) = if arn == "*" {
        ("anonymous", None)
    } else if request["federated"] == true || arn.contains("-provider/") {
        ("federated", None)
    } else if arn.ends_with(":root") {
        ("root", None)
    } else if arn.contains(":user/") {
        ("user", None)
    } else if arn.contains(":assumed-role/") {
        ("session", Some((text("role_arn"), text("id"))))
    } else if arn.contains(":federated-user/") {
        ("federated-user", Some((text("began_by"), text("began_by_id"))))
    } else {
        ("service", None)
    };
    let (behind_arn, behind_id) = behind.unwrap_or_default();
    let account = account.filter(|_| !["federated", "service", "anonymous"].contains(&kind));
    let id = if kind == "user" { text("id") } else { String::new() };
    Caller { kind, account, arn, id, behind_arn, behind_id }
}

/// At which level an entry names the caller; 0 if it does not.
fn level(entry: &str, scheme: &str, caller: &Caller, bindings: &Value) -> u8 {
    if entry == "*" {
        return DIRECT;
    }
    match scheme {
        "Service" => {
            let named = caller.kind == "service" && entry.eq_ignore_ascii_case(&caller.arn);
            return if named { DIRECT } else { 0 };
        }
        "Federated" => {
            return if caller.kind == "federated" && entry == caller.arn { DIRECT } else { 0 };
        }
        "AWS" => {}
        _ => return 0,
    }
    let account =
        entry.strip_suffix(":root").map_or(entry, |rest| rest.rsplit(':').next().unwrap());
    if caller.account.as_deref() == Some(account) {
        return ACCOUNT;
    }
    let same = |arn: &str, id: &str| {
        if entry.starts_with("AIDA") || entry.starts_with("AROA") {
            return entry == id;
        }
        match bindings.get(entry) {
            Some(Value::String(bound)) => bound == id && !id.is_empty(),
            Some(_) => false,
            None if entry.contains(":role/") && arn.contains(":role/") => {
                let cut = |arn: &str| {
                    let (head, path) = arn.split_once(":role/").unwrap();
                    format!("{head} {}", path.rsplit('/').next().unwrap())
                };
                cut(entry) == cut(arn)
            }
            None => entry == arn,
        }
    };
    match caller.kind {
        "user" if same(&caller.arn, &caller.id) => DIRECT,
        "session" | "federated-user" if entry == caller.arn => DIRECT,
        "session" | "federated-user" if same(&caller.behind_arn, &caller.behind_id) => ENTITY,
        _ => 0,
    }
}

fn levels(principal: &Value, caller: &Caller, bindings: &Value) -> Vec<u8> {
    match principal {
        Value::Object(schemes) => schemes
            .iter()
            .flat_map(|(scheme, entries)| {
                strings(entries).into_iter().map(move |entry| (scheme, entry))
            })
            .map(|(scheme, entry)| level(&entry, scheme, caller, bindings))
            .collect(),
        _ => vec![DIRECT],
    }
}

/// The level at which a statement is about the caller, 0 if it is not.
fn about(statement: &Value, named: bool, caller: &Caller, bounded: bool, bindings: &Value) -> u8 {
    let deny = statement["Effect"] == "Deny";
    if let Some(principal) = statement.get("Principal") {
        return levels(principal, caller, bindings).into_iter().max().unwrap_or(0);
    }
    let Some(spared) = statement.get("NotPrincipal") else { return if named { 0 } else { DIRECT } };
    let found = levels(spared, caller, bindings);
    let entries: Vec<String> = match spared {
        Value::Object(schemes) => schemes.values().flat_map(strings).collect(),
        other => strings(other),
    };
    if !deny {
        return if found.iter().all(|level| *level == 0) { DIRECT } else { 0 };
    }
    if bounded {
        return DIRECT;
    }
    let root_began = caller.account.as_ref() == Some(&caller.behind_id);
    let needed: &[u8] = match caller.kind {
        "root" => &[ACCOUNT],
        "user" => &[ACCOUNT, DIRECT],
        "federated-user" if root_began => &[ACCOUNT, DIRECT],
        "session" | "federated-user" => &[ACCOUNT, ENTITY, DIRECT],
        "service" | "federated" => &[DIRECT],
        _ => &[99],
    };
    let all_listed = needed.iter().all(|level| found.contains(level));
    if all_listed || entries.iter().any(|entry| entry == "*") { 0 } else { DIRECT }
}

/// What a list of documents says: the strongest level of an Allow, and whether one denies.
fn say(case: &Value, documents: &Value, named: bool, bounded: bool) -> (u8, bool) {
    let request = &case["request"];
    let caller = caller(request);
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let (mut allow, mut deny) = (0, false);
    let listed = match documents {
        Value::Array(documents) => documents.clone(),
        Value::Null => Vec::new(),
        document => vec![document.clone()],
    };
    for document in &listed {
        let variables = document["Version"] == "2012-10-17";
        let statements = match &document["Statement"] {
            Value::Array(statements) => statements.clone(),
            statement => vec![statement.clone()],
        };
        for statement in &statements {
            let about = about(statement, named, &caller, bounded, &case["policies"]["bindings"]);
            let applies = about > 0
                && action_fits(statement, text("action"))
                && resource_fits(
                    statement,
                    variables,
                    named,
                    text("resource"),
                    &request["context"],
                )
                && conditions_hold(statement, variables, &request["context"]);
            if applies && statement["Effect"] == "Deny" {
                deny = true;
            } else if applies {
                allow = allow.max(about);
            }
        }
    }
    (allow, deny)
}

/// The outcome of a case.
pub fn decide(case: &Value) -> &'static str {
    let (request, policies) = (&case["request"], &case["policies"]);
    let action = request["action"].as_str().unwrap().to_lowercase();
    if action == "sts:getcalleridentity" {
        return "allowed";
    }
    let caller = caller(request);
    let root = caller.kind == "root"
        || (caller.kind == "federated-user" && caller.account.as_ref() == Some(&caller.behind_id));
    let member = caller.account.is_some();
    let bounded = member && !root && !policies["boundary"].is_null();
    let say = |documents: &Value, named| say(case, documents, named, bounded);

    let resource = say(&policies["resource"], true);
    let mut denied = resource.1;
    let mut gates = Vec::new();
    for level in policies["rcp"].as_array().into_iter().flatten() {
        denied |= say(level, true).1;
    }
    if !policies["endpoint"].is_null() {
        let endpoint = say(&policies["endpoint"], true);
        denied |= endpoint.1;
        gates.push(endpoint.0 > 0);
    }
    if !member {
        gates.push(resource.0 > 0);
    } else {
        for level in policies["scp"].as_array().into_iter().flatten() {
            let scp = say(level, false);
            denied |= scp.1;
            gates.push(scp.0 > 0);
        }
        let mut identity = (DIRECT, false);
        let mut boundary = (DIRECT, false);
        if !root {
            identity = say(&policies["identity"], false);
            if bounded {
                boundary = say(&policies["boundary"], false);
            }
        }
        let mut session = (DIRECT, false);
        if !policies["session"].is_null() {
            session = say(&policies["session"], false);
        } else if caller.kind == "federated-user" {
            session = (0, false);
        }
        denied |= identity.1 || boundary.1 || session.1;
        let owner = request["resource_account"].as_str().map(str::to_owned).or_else(|| {
            let field = request["resource"].as_str().unwrap().split(':').nth(4)?;
            (field.len() == 12 && field.chars().all(|c| c.is_ascii_digit()))
                .then(|| field.to_owned())
        });
        if owner.is_none() || owner == caller.account {
            gates.push(identity.0 > 0 || resource.0 >= ENTITY);
            gates.push(boundary.0 > 0 || resource.0 == DIRECT);
            gates.push(session.0 > 0 || resource.0 == DIRECT);
            let must_allow = policies["must_allow"] == true || policies["trust"] == true;
            gates.push(!must_allow || resource.0 > 0);
        } else {
            gates.extend([identity.0 > 0, boundary.0 > 0, session.0 > 0, resource.0 > 0]);
        }
        if action == "sts:getsessiontoken" {
            gates.clear();
        }
    }
    if denied {
        "explicitDeny"
    } else if gates.into_iter().all(|gate| gate) {
        "allowed"
    } else {
        "implicitDeny"
    }
}
