//! A policy document, parsed and compiled once.

use std::sync::OnceLock;

use super::arn::{Arn, ArnGlob, Short};
use super::clock;
use super::condition::Condition;
use super::context::{Context, Key};
use super::error::{DocumentError, Locator, Position};
use super::grammar::{self, Choice, DocumentKind, Effect, Parts, Rules, Spot, StatementParts};
use super::index::Index;
use super::pattern::{Glob, Syntax, Truth};
use super::principal::{Binding, Entry, Named, Principal, Principals, Reach, Scheme};

/// A policy document, ready to be evaluated. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct Document {
    kind: DocumentKind,
    id: Option<Box<str>>,
    statements: Box<[Statement]>,
    /// Every context key the document refers to, sorted by lower-case name, once each.
    keys: Box<[Key]>,
    /// Made when the document is first asked for it.
    index: OnceLock<Index>,
    /// The length of its text, and how many wildcards and variables are in it.
    extent: (usize, usize),
}

impl Document {
    /// Reads a document that is stored: whatever once was accepted, also of version 2008-10-17.
    /// User and role ARNs in `Principal` are compared as text.
    ///
    /// # Errors
    /// What the evaluator could not understand completely: not JSON, unknown keys or operators,
    /// malformed actions or principals.
    pub fn parse(text: &str, kind: DocumentKind) -> Result<Document, DocumentError> {
        Document::build(text, kind, Rules::Stored, &|_| None)
    }

    /// As [`Document::parse`]; `resolve` knows what the user and role ARNs in `Principal` stood for
    /// when the document was saved, and `None` has an ARN compared as text.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_resolved(
        text: &str,
        kind: DocumentKind,
        resolve: &dyn Fn(&str) -> Option<Binding>,
    ) -> Result<Document, DocumentError> {
        Document::build(text, kind, Rules::Stored, resolve)
    }

    /// Reads a document that somebody wants to save, with every rule AWS applies then. Length
    /// quotas are the caller's.
    ///
    /// # Errors
    /// AWS's own, in AWS's order of precedence.
    pub fn parse_new(text: &str, kind: DocumentKind) -> Result<Document, DocumentError> {
        Document::build(text, kind, Rules::New, &|_| None)
    }

    fn build(
        text: &str,
        kind: DocumentKind,
        rules: Rules,
        resolve: &dyn Fn(&str) -> Option<Binding>,
    ) -> Result<Document, DocumentError> {
        let Parts { variables, id, statements } = grammar::read(text, kind, rules)?;
        let mut locator = Locator::new(text);
        let statements = statements
            .into_iter()
            .enumerate()
            .map(|(index, parts)| {
                let after = locator.seek(parts.after);
                let span = [after, locator.seek(parts.start + 1), locator.seek(parts.end)];
                let principals = compile_principals(text, &parts.principal, resolve)?;
                Ok(Statement::compile(kind, variables, index, span, principals, parts))
            })
            .collect::<Result<Box<[_]>, _>>()?;
        let mut keys: Vec<Key> = statements.iter().flat_map(Statement::keys).cloned().collect();
        keys.sort_by(|one, other| one.lower.cmp(&other.lower));
        keys.dedup_by(|one, other| one.lower == other.lower);
        let special = text.bytes().filter(|byte| matches!(byte, b'*' | b'?' | b'$')).count();
        Ok(Document {
            kind,
            id: id.map(Into::into),
            statements,
            keys: keys.into(),
            index: OnceLock::new(),
            extent: (text.len(), special),
        })
    }

    /// What the document is for.
    pub fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The `Id` element.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The statements, in the order of the document.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The user and role ARNs that `Principal` and `NotPrincipal` name, as spelled, in order, with
    /// repetitions: what a service resolves to unique ids when it saves the document.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|statement| statement.principals.entries()).filter_map(
            |entry| match entry {
                Entry::User(Named { text, .. }) | Entry::Role(Named { text, .. }) => Some(&**text),
                _ => None,
            },
        )
    }

    /// Whether a Principal names others than accounts, services and the users and roles of
    /// [`Document::named_ids`]: everybody, all but somebody, a session, or a user or role by ARN alone.
    pub fn names_others(&self) -> bool {
        self.statements.iter().any(|statement| match &statement.principals {
            Principals::Unnamed => false,
            Principals::AllBut(_) => true,
            Principals::Named(entries) => entries.iter().any(|entry| match entry {
                Entry::Everyone | Entry::Session(_) => true,
                Entry::User(named) | Entry::Role(named) => named.binding.is_none(),
                _ => false,
            }),
        })
    }

    /// The unique ids of the users and roles that a Principal names, with repetitions.
    pub fn named_ids(&self) -> impl Iterator<Item = &str> {
        let entries = self.statements.iter().flat_map(|statement| statement.principals.entries());
        entries.filter_map(|entry| match entry {
            Entry::UniqueId(id) => Some(&**id),
            Entry::User(Named { binding: Some(Binding::Id(id)), .. })
            | Entry::Role(Named { binding: Some(Binding::Id(id)), .. }) => Some(id.as_str()),
            _ => None,
        })
    }

    /// Every context key the document refers to, in conditions and as variables: once each, in
    /// alphabetical order, in the spelling of its first use.
    pub fn context_keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| &*key.name)
    }

    /// A bound of the steps that a decision takes in this document, where what is compared with it - the
    /// action, the resource, values of the context - is `longest` bytes long at most. Matching costs at
    /// most pieces times characters.
    pub fn steps(&self, longest: usize) -> u64 {
        let (length, special) = self.extent;
        let steps = length.saturating_add(special.saturating_mul(longest));
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How much there is to index: the statements and their actions and resources.
    pub(super) fn weight(&self) -> usize {
        let one = |statement: &Statement| {
            let resources = statement.resources().map_or(0, |(_, globs)| globs.len());
            1 + statement.actions.len() + resources
        };
        self.statements.iter().map(one).sum()
    }

    /// The index over the statements of this document alone.
    pub(super) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(&self.statements))
    }
}

/// One statement of a [`Document`].
#[derive(Debug)]
pub struct Statement {
    index: usize,
    sid: Option<Box<str>>,
    effect: Effect,
    after: Position,
    start: Position,
    end: Position,
    principals: Principals,
    not_action: bool,
    /// Lower case.
    actions: Box<[Glob]>,
    /// Nothing written (trust policies): the resource that the policy is attached to.
    resources: Option<(bool, Box<[ArnGlob]>)>,
    conditions: Box<[Condition]>,
}

/// What of a request every statement looks at, prepared once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe<'r> {
    pub principal: &'r Principal<'r>,
    /// Lower case.
    pub action: &'r str,
    /// `None` for a request on no resource in particular.
    pub resource: Option<&'r Arn<'r>>,
    pub context: &'r Context<'r>,
    /// Whether a permissions boundary applies to the caller.
    pub bounded: bool,
}

impl Statement {
    fn compile(
        kind: DocumentKind,
        variables: bool,
        index: usize,
        [after, start, end]: [Position; 3],
        principals: Principals,
        parts: StatementParts,
    ) -> Statement {
        let action = parts.action.unwrap_or(Choice { not: false, entries: Vec::new(), at: 0 });
        let wildcards = Syntax { wildcards: true, variables: false };
        // A space or a comma is part of no action's name: such an entry matches nothing, so it is
        // left out; under NotAction it excludes nothing.
        let possible = |spot: &&Spot| !spot.text.contains(|c: char| c == ',' || c.is_whitespace());
        let compile_action =
            |spot: &Spot| Glob::compile(&spot.text.to_ascii_lowercase(), wildcards);
        let short = if kind.has_principal() { Short::PaddedAfterStar } else { Short::Padded };
        let resources = parts.resource.map(|resource| {
            let compile = |spot: &Spot| ArnGlob::resource(&spot.text, variables, short);
            (resource.not, resource.entries.iter().map(compile).collect())
        });
        let conditions = parts.conditions.iter().map(|condition| {
            let operands = condition.operands.iter().map(|spot| spot.text.as_str());
            Condition::compile(condition.operator, &condition.key, operands, variables)
        });
        Statement {
            index,
            sid: parts.sid.map(|spot| spot.text.into()),
            effect: parts.effect,
            after,
            start,
            end,
            principals,
            not_action: action.not,
            actions: action.entries.iter().filter(possible).map(compile_action).collect(),
            resources,
            conditions: conditions.collect(),
        }
    }

    /// The place in the document, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The `Sid`, if one was written; may be empty.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Whether it grants or denies.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Just after what stands before it: the StartPosition of AWS's simulator. AWS reports where its
    /// parser stood when it came to the statement: after the bracket of the array for the first, after
    /// the closing brace of the one before for the others, after its own opening brace for a statement
    /// without an array (answers of AWS as its users show them: AdministratorAccess at line 3, column 17;
    /// two statements at columns 38 to 248 and 248 to 470 of one line).
    pub fn after(&self) -> Position {
        self.after
    }

    /// Just after the opening brace.
    pub fn start(&self) -> Position {
        self.start
    }

    /// Just after the closing brace: the EndPosition of AWS's simulator.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Whether action, resource and conditions fit the request; principals are asked separately.
    pub(super) fn applies(&self, probe: &Probe<'_>) -> Truth {
        if !self.names(probe.action) {
            return Truth::NO;
        }
        match self.covers(probe, None) {
            Truth::NO => Truth::NO,
            covers => covers.and(self.conditions_hold(probe)),
        }
    }

    /// Whether the statement is about the action (lower case).
    pub fn names(&self, action: &str) -> bool {
        // Actions have wildcards, but no variables.
        let nothing = Context::new();
        self.actions.iter().any(|glob| glob.matches(action, &nothing).holds) != self.not_action
    }

    /// Whether the conditions hold.
    pub(super) fn conditions_hold(&self, probe: &Probe<'_>) -> Truth {
        let mut all = Truth::YES;
        for condition in &self.conditions {
            all = all.and(condition.holds(probe.context));
            if all == Truth::NO {
                break;
            }
        }
        all
    }

    /// The conditions that do not hold, by operator and key.
    pub(super) fn unmet(&self, probe: &Probe<'_>) -> Vec<String> {
        let unmet = self.conditions.iter().filter(|one| !one.holds(probe.context).holds);
        unmet.map(Condition::name).collect()
    }

    /// Whether the statement is about the resource: by one of its patterns alone, or by all.
    pub(super) fn covers(&self, probe: &Probe<'_>, pattern: Option<usize>) -> Truth {
        let Some((not, globs)) = &self.resources else { return Truth::YES };
        if let Some(glob) = pattern.and_then(|pattern| globs.get(pattern)) {
            return glob.matches(probe.resource, probe.context);
        }
        let mut named = Truth::NO;
        for glob in globs {
            named = named.or(glob.matches(probe.resource, probe.context));
            if named == Truth::YES {
                break;
            }
        }
        if *not { named.not() } else { named }
    }

    /// The compiled actions, in lower case, and whether they are those of `NotAction`.
    pub(super) fn actions(&self) -> (bool, &[Glob]) {
        (self.not_action, &self.actions)
    }

    /// The compiled resources, and whether they are those of `NotResource`.
    pub(super) fn resources(&self) -> Option<(bool, &[ArnGlob])> {
        self.resources.as_ref().map(|(not, globs)| (*not, &**globs))
    }

    /// The patterns of its actions, in lower case; `*` for all but some.
    pub fn written_actions(&self) -> Vec<String> {
        match self.not_action {
            true => vec!["*".to_owned()],
            false => self.actions.iter().map(Glob::written).collect(),
        }
    }

    /// The patterns of its actions, in lower case, whether it is about them or about all others.
    pub fn distinguished_actions(&self) -> impl Iterator<Item = String> {
        self.actions.iter().map(Glob::written)
    }

    /// The conditions as text, in the order of their operators, keys and values, for somebody who compares them.
    pub fn written_conditions(&self) -> Vec<String> {
        let mut written: Vec<String> = self.conditions.iter().map(Condition::written).collect();
        written.sort();
        written
    }

    /// Whom it names in a `Principal` or `NotPrincipal` as text, for somebody who compares them.
    pub fn written_principals(&self) -> Vec<String> {
        self.principals.written()
    }

    /// Whom it names.
    pub(super) fn principals(&self) -> &Principals {
        &self.principals
    }

    /// Whether it names anybody in particular in a `Principal` or `NotPrincipal`.
    pub fn names_somebody(&self) -> bool {
        match &self.principals {
            Principals::Unnamed => false,
            Principals::AllBut(_) => true,
            Principals::Named(entries) => {
                entries.iter().any(|entry| !matches!(entry, Entry::Everyone))
            }
        }
    }

    /// The patterns of its resources; `*` for all but some, and where none is written.
    pub fn written_resources(&self) -> Vec<String> {
        match &self.resources {
            Some((false, globs)) => globs.iter().map(ArnGlob::written).collect(),
            _ => vec!["*".to_owned()],
        }
    }

    /// Whether conditions or variables have a say in it.
    pub(super) fn is_conditional(&self) -> bool {
        !self.conditions.is_empty() || self.keys().next().is_some()
    }

    /// The patterns of its resources, whether it is about them or about all others.
    pub fn distinguished_resources(&self) -> impl Iterator<Item = String> {
        let globs = self.resources.iter().flat_map(|(_, globs)| globs.iter());
        globs.map(ArnGlob::written)
    }

    /// Whether it has neither conditions nor principals.
    pub(super) fn is_unconditional(&self) -> bool {
        self.conditions.is_empty() && matches!(self.principals, Principals::Unnamed)
    }

    /// How the statement grants to the caller; `named` says that its policy is of a type that names
    /// principals, so that a statement without any is about nobody.
    pub(super) fn grants_to(&self, probe: &Probe<'_>, named: bool) -> Option<Reach> {
        match &self.principals {
            Principals::Unnamed => (!named).then_some(Reach::Direct),
            principals => principals.grant(probe.principal),
        }
    }

    /// Whether the statement denies the caller; `named` as above.
    pub(super) fn denies_to(&self, probe: &Probe<'_>, named: bool) -> bool {
        match &self.principals {
            Principals::Unnamed => !named,
            principals => principals.denies(probe.principal, probe.bounded),
        }
    }

    /// At which seconds of the clock it may begin or cease to apply, with the condition that turns then; `None`
    /// if that cannot be told (see [`Condition::turns`]).
    pub(super) fn turns(&self) -> Option<Vec<(i64, String)>> {
        let in_resources = self.resources.iter().flat_map(|(_, globs)| globs.iter());
        if in_resources.flat_map(ArnGlob::keys).any(|key| clock::KEYS.contains(&&*key.lower)) {
            return None;
        }
        let mut turns = Vec::new();
        for condition in &self.conditions {
            let seconds = condition.turns()?;
            turns.extend(seconds.into_iter().map(|second| (second, condition.name())));
        }
        Some(turns)
    }

    /// The context keys its conditions and variables refer to, as spelled, with repetitions.
    pub fn context_keys(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|key| &*key.name)
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        let resources: &[ArnGlob] = match &self.resources {
            Some((_, globs)) => globs,
            None => &[],
        };
        resources
            .iter()
            .flat_map(ArnGlob::keys)
            .chain(self.conditions.iter().flat_map(Condition::keys))
    }
}

fn compile_principals(
    text: &str,
    principal: &Option<Choice<(Scheme, Spot)>>,
    resolve: &dyn Fn(&str) -> Option<Binding>,
) -> Result<Principals, DocumentError> {
    let Some(Choice { not, entries, .. }) = principal else { return Ok(Principals::Unnamed) };
    let entries = entries
        .iter()
        .map(|(scheme, spot)| {
            Entry::parse(*scheme, &spot.text, resolve).ok_or_else(|| {
                DocumentError::new(
                    format!("Invalid principal in policy: \"{}\":\"{}\"", scheme.key(), spot.text),
                    "write an account id, a full ARN without wildcards, or \"*\" alone",
                    Position::of(text, spot.at),
                )
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(if *not { Principals::AllBut(entries) } else { Principals::Named(entries) })
}
