//! An operation is a struct that is filled in and run; the wire, the CLI and tests run the same struct.
//!
//! Each file under `operations/` begins with its table of contents:
//!
//! ```text
//! operations! { Iam:
//!     write CreateUser on |op, scene| target::new::<UserRow>(...) => CreateUserResult,
//!     read  GetUser    on |op, scene| target::user_or_self(...)   => GetUserResult,
//! }
//! ```
//!
//! and then gives each a struct with AWS's own field names and an `impl Write`, `Read` or `Issue`.
//! Field limits are data ([`super::limits`]) and are checked before the struct is filled in.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::caller::Caller;
use super::documents::Documents;
use super::fault::Fault;
use super::password::Hashing;
use super::sts::Desk;
use super::target::{Scene, Target};
use crate::base::form_tree::Form;
use crate::projection::Transaction;
use crate::projection::directory::Directory;

/// The services whose operations these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// IAM 2010-05-08.
    Iam,
    /// STS 2011-06-15.
    Sts,
}

impl Api {
    /// The prefix of its actions and its signing name.
    pub const fn prefix(self) -> &'static str {
        match self {
            Api::Iam => "iam",
            Api::Sts => "sts",
        }
    }

    /// The version in its requests.
    pub const fn version(self) -> &'static str {
        match self {
            Api::Iam => "2010-05-08",
            Api::Sts => "2011-06-15",
        }
    }
}

/// What every operation declares; written by the `operations!` macro.
pub trait Operation: DeserializeOwned + Send + 'static {
    /// AWS's name of it.
    const NAME: &'static str;
    /// Whose it is.
    const API: Api;
    /// What it answers; `()` for nothing but success.
    type Answer: Serialize + Send + 'static;
    /// What the caller must be allowed.
    fn target(&self, scene: &Scene<'_>) -> Result<Target, Fault>;
}

/// Where a read looks and on whose behalf.
pub struct Reading<'a> {
    /// The caller's account at the moment asked for.
    pub directory: Directory<'a>,
    /// Who asks.
    pub caller: &'a Caller,
    /// Parsed documents and the shared managed policies.
    pub documents: &'a Documents,
    /// Sessions and last-used facts.
    pub activity: &'a dyn super::activity::facts::Facts,
    /// What was generated before, to be fetched.
    pub reports: &'a super::reports::Reports,
    /// The instant that is shown: now, or the moment asked for.
    pub instant: crate::base::time::Timestamp,
    /// The events that are shown.
    pub cut: crate::projection::Cut,
    /// Whether a moment was asked for.
    pub is_past: bool,
}

/// What a write works on and on whose behalf.
pub struct Writing<'a, 'b> {
    /// Reads as if its changes had happened; records them.
    pub tx: &'a mut Transaction<'b>,
    /// Who asks.
    pub caller: &'a Caller,
    /// Parsed documents and the shared managed policies.
    pub documents: &'a Documents,
    /// Sessions and codes that are used up.
    pub facts: &'a dyn super::activity::facts::Facts,
    /// Whom the event is about, where it is not the first resource of the target: what was just made.
    pub concerns: Option<crate::identity::id::UniqueId>,
}

impl Writing<'_, '_> {
    /// The caller's account, this operation's own changes included.
    pub fn directory(&self) -> Directory<'_> {
        Directory::new(&*self.tx, self.tx.account())
    }
}

/// An operation that only reads; it can be asked of any moment.
pub trait Read: Operation {
    /// Answers.
    fn read(self, at: &Reading<'_>) -> Result<Self::Answer, Fault>;

    /// Whether it may compute for long, so that it is never done on the threads that receive requests.
    fn is_long(&self) -> bool {
        false
    }
}

/// An operation that changes identities: decided and authorized inside the writer.
pub trait Write: Operation {
    /// Records what changes, or refuses.
    fn write(self, to: &mut Writing<'_, '_>) -> Result<Self::Answer, Fault>;

    /// Itself, if it has something to hash before the writer takes it.
    fn hashing(&mut self) -> Option<&mut dyn Hashing> {
        None
    }
}

/// What a caller gives of a second factor: the serial number of a device, and its code.
pub type GivenFactor<'a> = (Option<&'a str>, Option<&'a str>);

/// An operation that issues credentials: it changes no identity, but leaves a durable receipt.
pub trait Issue: Operation {
    /// The second factor that came with the request; both or neither must be given.
    fn second_factor(&self) -> GivenFactor<'_>;

    /// Issues.
    fn issue(self, desk: &Desk<'_>) -> Result<Self::Answer, Fault>;
}

/// The result of an operation, ready to be written in whatever form; `None` for nothing but success.
pub type Answer = Option<Box<dyn erased_serde::Serialize + Send>>;

fn boxed<A: Serialize + Send + 'static>(answer: A) -> Answer {
    // The unit answer is the only one without a size.
    if std::mem::size_of::<A>() == 0 { None } else { Some(Box::new(answer)) }
}

/// An operation filled in, its type forgotten.
pub enum Prepared {
    /// It only reads.
    Read(Box<dyn AnyRead>),
    /// It changes identities.
    Write(Box<dyn AnyWrite>),
    /// It issues credentials.
    Issue(Box<dyn AnyIssue>),
}

impl Prepared {
    /// What the caller must be allowed.
    pub fn target(&self, scene: &Scene<'_>) -> Result<Target, Fault> {
        match self {
            Prepared::Read(operation) => operation.target(scene),
            Prepared::Write(operation) => operation.target(scene),
            Prepared::Issue(operation) => operation.target(scene),
        }
    }
}

macro_rules! any {
    (
        $any:ident, $of:ident, $run:ident, $method:ident($($argument:ident: $type:ty),*)
        $(, $asked:ident($($mutably:ident)?) -> $told:ty)?
    ) => {
        #[doc = concat!("A [`", stringify!($of), "`] operation, its type forgotten.")]
        pub trait $any: Send {
            /// See [`Operation::target`].
            fn target(&self, scene: &Scene<'_>) -> Result<Target, Fault>;
            /// Runs it.
            fn $run(self: Box<Self>, $($argument: $type),*) -> Result<Answer, Fault>;
            $(
                #[doc = concat!("See [`", stringify!($of), "::", stringify!($asked), "`].")]
                fn $asked(&$($mutably)? self) -> $told;
            )?
        }

        impl<O: $of> $any for O {
            fn target(&self, scene: &Scene<'_>) -> Result<Target, Fault> {
                Operation::target(self, scene)
            }

            fn $run(self: Box<Self>, $($argument: $type),*) -> Result<Answer, Fault> {
                (*self).$method($($argument),*).map(boxed)
            }

            $(
                fn $asked(&$($mutably)? self) -> $told {
                    $of::$asked(self)
                }
            )?
        }
    };
}

any!(AnyRead, Read, run, read(at: &Reading<'_>), is_long() -> bool);
any!(AnyWrite, Write, run, write(to: &mut Writing<'_, '_>), hashing(mut) -> Option<&mut dyn Hashing>);
any!(AnyIssue, Issue, run, issue(desk: &Desk<'_>), second_factor() -> GivenFactor<'_>);

/// One row of a table of contents.
pub struct Row {
    /// AWS's name.
    pub name: &'static str,
    /// Whose it is.
    pub api: Api,
    /// Fills the operation in from the request's parameters.
    pub prepare: fn(&Form) -> Result<Prepared, Fault>,
    /// The names of its input fields.
    pub fields: fn() -> &'static [&'static str],
}

/// Declares the operations of a file; see the module's header.
macro_rules! operations {
    ($api:ident: $( $kind:ident $name:ident on |$op:ident, $scene:ident| $target:expr => $answer:ty, )*) => {
        $(
            impl $crate::service::operation::Operation for $name {
                const NAME: &'static str = stringify!($name);
                const API: $crate::service::operation::Api =
                    $crate::service::operation::Api::$api;
                type Answer = $answer;
                #[allow(clippy::unused_self)]
                fn target(
                    &self,
                    $scene: &$crate::service::target::Scene<'_>,
                ) -> Result<$crate::service::target::Target, $crate::service::fault::Fault> {
                    let $op = self;
                    let _ = ($op, $scene);
                    $target
                }
            }
        )*

        /// The operations of this file.
        pub const OPERATIONS: &[$crate::service::operation::Row] = &[$(
            $crate::service::operation::Row {
                name: stringify!($name),
                api: $crate::service::operation::Api::$api,
                prepare: |form| Ok($crate::service::operation::operations!(@$kind form.read::<$name>()?)),
                fields: $crate::service::fields::of::<$name>,
            },
        )*];
    };
    (@read $operation:expr) => {
        $crate::service::operation::Prepared::Read(Box::new($operation))
    };
    (@write $operation:expr) => {
        $crate::service::operation::Prepared::Write(Box::new($operation))
    };
    (@issue $operation:expr) => {
        $crate::service::operation::Prepared::Issue(Box::new($operation))
    };
}
pub(crate) use operations;
