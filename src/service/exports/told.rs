//! An event as exports tell it: decoded, its sealed parts opened, its ids named as they were.
//!
//! Every format is made from this one form, so that none knows more than another, and so that the log and
//! the exports say the same.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::identity::Event;
use crate::identity::change::Sealed;
use crate::identity::id::UniqueId;
use crate::ledger::frame::Header;
use crate::ledger::{AccountId, Frame};
use crate::projection::directory::{Directory, ERASED};
use crate::projection::sealing::Opener;
use crate::projection::{ProjectionError, Reader, View};
use crate::service::Service;
use crate::service::activity::ActivityBook;
use crate::service::audit::faces::{Face, Faces};
use crate::service::subject_of;

/// What opening events needs; shared by the threads that do.
pub struct Teller<'a> {
    /// Where rows, contents and keys are read from.
    pub view: &'a View,
    /// Sessions and receipts.
    pub activity: &'a ActivityBook,
    /// Whose history.
    pub account: AccountId,
    /// Names.
    pub faces: Faces,
}

/// An event, opened.
pub struct Told<'a> {
    /// Its position.
    pub position: u64,
    /// Its frame.
    pub frame: Frame<'a>,
    /// What it says.
    pub event: Event,
    /// What the actor was called.
    pub actor: Option<Arc<Face>>,
    /// What the target was called.
    pub target: Option<Arc<Face>>,
    /// The role session's name, or the operator's.
    pub session: Option<String>,
    /// The source identity that the session carried.
    pub source_identity: Option<String>,
    /// The source address.
    pub address: Option<String>,
    /// The user agent.
    pub agent: Option<String>,
    /// The request's parameters, without secrets, documents by their hash.
    pub parameters: Option<Value>,
}

impl Told<'_> {
    /// The frame's header.
    pub fn header(&self) -> &Header {
        &self.frame.header
    }

    /// What the actor was called, `user/alice`; `operator` for whoever has the machine.
    pub fn actor_name(&self) -> Option<Cow<'_, str>> {
        match self.event.origin.actor.as_str() {
            "operator" => Some(Cow::Borrowed("operator")),
            _ => self.actor.as_ref().map(|face| Cow::Owned(face.called())),
        }
    }
}

impl<'a> Teller<'a> {
    /// Whatever a view shows of an account.
    ///
    /// # Errors
    /// Whatever keeps the rows from being read.
    pub fn new(
        service: &'a Service,
        view: &'a View,
        account: AccountId,
    ) -> Result<Self, ProjectionError> {
        let digits = Directory::new(view, account).digits()?;
        let faces = Faces::new(view, account, digits)?;
        Ok(Teller { view, activity: service.activity(), account, faces })
    }

    /// Opens the event of a stored frame.
    ///
    /// # Errors
    /// If it does not decode or open, or whatever keeps the rows from being read.
    pub fn tell<'b>(&self, position: u64, bytes: &'b [u8]) -> Result<Told<'b>, ProjectionError> {
        let frame = Frame::read(position, bytes)?;
        let event = Event::decode(frame.body)?;
        let origin = &event.origin;
        let opener = |id: &UniqueId| Opener::of(self.view.keys(), self.account, &subject_of(id));
        let (of_actor, of_target) = (opener(&origin.actor)?, opener(&origin.target)?);
        // What was erased reads so.
        let open = |opener: &Opener, field: &str, sealed: &Option<Sealed>| {
            let Some(sealed) = sealed else { return Ok::<_, ProjectionError>(None) };
            Ok(Some(opener.open(field, sealed)?.unwrap_or_else(|| ERASED.to_owned())))
        };
        let parameters = open(&of_target, "parameters", &origin.parameters)?;
        let parameters =
            parameters.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        let actor = match origin.actor.as_str() {
            "operator" => None,
            _ => self.faces.at(position, &origin.actor)?,
        };
        Ok(Told {
            position,
            actor,
            target: self.faces.at(position, &origin.target)?,
            session: open(&of_actor, "session", &origin.session)?,
            source_identity: open(&of_actor, "source identity", &origin.source_identity)?,
            address: open(&of_actor, "address", &origin.address)?,
            agent: open(&of_actor, "agent", &origin.agent)?,
            parameters,
            frame,
            event,
        })
    }
}
