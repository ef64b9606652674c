//! The kinds of changes, and their words.

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A key was issued.
    Issue,
    /// Fields of a key were changed.
    Edit,
    /// A key was suspended.
    Suspend,
    /// A key was resumed.
    Resume,
    /// A key was given another secret.
    Rotate,
    /// A key was revoked.
    Revoke,
    /// A key that came from elsewhere was added.
    Import,
    /// A tier was written.
    PutTier,
    /// A tier was deleted.
    DeleteTier,
    /// An owner was suspended, with all keys.
    SuspendOwner,
    /// An owner was resumed.
    ResumeOwner,
    /// Fields of an owner were changed.
    EditOwner,
    /// Changes that the store lacks were given up: it was damaged, cut or restored from a backup.
    AcceptRestore,
    /// The wall clock was accepted as right, though it is earlier than an earlier reading.
    AcceptClock,
    /// A node of a cluster knew changes that the store lacks: it failed over, or a backup was
    /// restored.
    Diverged,
    /// The schema or the settings of a database were changed, or a database was moved here.
    Migrate,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 16] = [
        Self::Issue,
        Self::Edit,
        Self::Suspend,
        Self::Resume,
        Self::Rotate,
        Self::Revoke,
        Self::Import,
        Self::PutTier,
        Self::DeleteTier,
        Self::SuspendOwner,
        Self::ResumeOwner,
        Self::EditOwner,
        Self::AcceptRestore,
        Self::AcceptClock,
        Self::Diverged,
        Self::Migrate,
    ];

    /// The word for it, in the store and in responses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Edit => "edit",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Rotate => "rotate",
            Self::Revoke => "revoke",
            Self::Import => "import",
            Self::PutTier => "put-tier",
            Self::DeleteTier => "delete-tier",
            Self::SuspendOwner => "suspend-owner",
            Self::ResumeOwner => "resume-owner",
            Self::EditOwner => "edit-owner",
            Self::AcceptRestore => "accept-restore",
            Self::AcceptClock => "accept-clock",
            Self::Diverged => "diverged",
            Self::Migrate => "migrate",
        }
    }

    /// The verb of a word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }
}
