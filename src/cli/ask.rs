//! The questions and acts: `head`, `log`, `show`, `can`, `verify`, `rebuild`, `account`, `recover`.

use serde_json::{Value, json};

use super::Failure;
use super::door::Door;
use super::options::{
    AccountCommand, CanOptions, Command, Common, KeyCommand, KeyOptions, OrganizationCommand,
    Output, RecoverCommand,
};
use super::{access, organization, print, progress, proofs};

/// Runs one of them.
pub fn run(common: &Common, command: &Command) -> Result<u8, Failure> {
    let door = match command {
        Command::Verify(_)
        | Command::Rebuild
        | Command::Key(KeyOptions { command: Some(KeyCommand::Rotate), .. })
        | Command::Account(_)
        | Command::Organization(OrganizationCommand::Set { .. })
        | Command::Recover(_) => Door::of_operator(common)?,
        _ => Door::find(common)?,
    };
    let outcome = answer(&door, common.output, command);
    let closed = door.close();
    // What went wrong with the answer counts first.
    outcome.and_then(|status| closed.map(|()| status))
}

fn answer(door: &Door, output: Output, command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Head(at) => {
            let head = door.ask("head", Vec::new(), at.at.as_deref())?;
            match output {
                Output::Table => print::line(&format!("@{}", field(&head, "position")))?,
                other => print::object(other, &head)?,
            }
            Ok(0)
        }
        Command::Log(options) => super::log::log(door, output, options),
        Command::Show { thing, at } => {
            let parameters = vec![("thing".to_owned(), thing.clone())];
            print::object(output, &door.ask("show", parameters, at.at.as_deref())?)?;
            Ok(0)
        }
        Command::Can(options) => can(door, output, options),
        Command::Diff(options) => super::diff::diff(door, output, options),
        Command::Access(options) => access::access(door, output, options),
        Command::WhoCan(options) => access::who_can(door, output, options),
        Command::Key(options) => proofs::key(door, output, options),
        Command::Checkpoint(at) => proofs::checkpoint(door, output, at),
        Command::Prove { event, file } => proofs::prove(door, output, event, file.as_deref()),
        Command::Report(options) => super::report::report(door, output, options),
        Command::Replay(options) => super::replay::replay(door, output, options),
        Command::WhatIf(options) => super::replay::what_if(door, output, options),
        Command::Verify(options) => {
            let body = proofs::since(options)?;
            let work = || door.act("verify", &body);
            let found = progress::watch("verifying every byte", || door.progress(), work)?;
            if output == Output::Table {
                print::line(&format!(
                    "sound: {} events of {} accounts, {} rows, {} secrets, {} receipts; root {}{}",
                    field(&found, "events"),
                    field(&found, "accounts"),
                    field(&found, "rows"),
                    field(&found, "secrets"),
                    field(&found, "receipts"),
                    field(&found, "root").as_str().unwrap_or_default(),
                    match field(&found, "since") {
                        Value::Null => String::new(),
                        size => format!("; continues the checkpoint of {size} events"),
                    }
                ))?;
            } else {
                print::object(output, &found)?;
            }
            Ok(0)
        }
        Command::Rebuild => {
            let work = || door.act("rebuild", &json!({}));
            let done = progress::watch("folding every event anew", || door.progress(), work)?;
            if output == Output::Table {
                print::line(&format!(
                    "rebuilt from {} events: {} rows, {} of them differed",
                    field(&done, "events"),
                    field(&done, "rows"),
                    field(&done, "different")
                ))?;
            } else {
                print::object(output, &done)?;
            }
            Ok(0)
        }
        Command::Account(AccountCommand::Create { email, name, id, admin }) => {
            let body = json!({ "email": email, "name": name, "account": id, "admin": admin });
            print::object(output, &door.act("account-create", &body)?)?;
            Ok(0)
        }
        Command::Account(AccountCommand::Close) => {
            print::object(output, &door.act("account-close", &json!({}))?)?;
            Ok(0)
        }
        Command::Account(AccountCommand::Reopen) => {
            print::object(output, &door.act("account-reopen", &json!({}))?)?;
            Ok(0)
        }
        Command::Organization(command) => organization::run(door, output, command),
        Command::Recover(RecoverCommand::Admin { user }) => {
            let made = door.act("recover-admin", &json!({ "user": user }))?;
            if output == Output::Table {
                print::line(&format!("export AWS_ACCESS_KEY_ID={}", text(&made, "access_key_id")))?;
                print::line(&format!(
                    "export AWS_SECRET_ACCESS_KEY={}",
                    text(&made, "secret_access_key")
                ))?;
            } else {
                print::object(output, &made)?;
            }
            Ok(0)
        }
        Command::Recover(RecoverCommand::Root) => {
            print::object(output, &door.act("recover-root", &json!({}))?)?;
            Ok(0)
        }
        _ => Err(Failure::new("this command asks nothing")),
    }
}

/// A field of an answer; null if it has none.
fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Exit 1 for a no, and for a yes that hangs on context nobody gave.
fn can(door: &Door, output: Output, options: &CanOptions) -> Result<u8, Failure> {
    let mut parameters = vec![
        ("principal".to_owned(), options.principal.clone()),
        ("action".to_owned(), options.action.clone()),
        ("resource".to_owned(), options.resource.clone()),
    ];
    parameters.extend(options.context.iter().map(|pair| ("context".to_owned(), pair.clone())));
    let answer = door.ask("can", parameters, options.at.at.as_deref())?;
    let allowed = text(&answer, "decision") == "allowed";
    let conditional = field(&answer, "conditional") == &Value::Bool(true);
    if output == Output::Table {
        print::line(&format!(
            "{}: {} {} on {}",
            match (text(&answer, "decision"), conditional) {
                (_, true) => "it depends",
                ("allowed", _) => "yes",
                ("unknown", _) => "unknown",
                _ => "no",
            },
            text(&answer, "principal"),
            text(&answer, "action"),
            text(&answer, "resource")
        ))?;
        print::line(&format!("  {}, {}", text(&answer, "decision"), text(&answer, "because")))?;
        for statement in field(&answer, "statements").as_array().into_iter().flatten() {
            let event = match field(statement, "event") {
                Value::Null => String::new(),
                position => format!(", since event @{position}"),
            };
            print::line(&format!(
                "  {} {} {} statement {} (line {}), {}{event}",
                text(statement, "policy_type"),
                text(statement, "policy"),
                text(statement, "version"),
                field(statement, "statement"),
                field(statement, "line"),
                text(statement, "via")
            ))?;
        }
        for (name, word) in [("needs", "needed"), ("almost", "almost")] {
            for change in field(&answer, name).as_array().into_iter().flatten() {
                print::line(&format!("  {word}: {}", change.as_str().unwrap_or_default()))?;
            }
        }
        if let Some(assumed) = access::assumed(&answer) {
            print::line(&format!("  {assumed}"))?;
        }
        for key in field(&answer, "missing_context").as_array().into_iter().flatten() {
            print::line(&format!(
                "  unknown: {} (give it by --context)",
                key.as_str().unwrap_or_default()
            ))?;
        }
    } else {
        print::object(output, &answer)?;
    }
    Ok(u8::from(!allowed || conditional))
}
