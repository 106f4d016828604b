//! What a topic is made of.

/// A field of life, with what people ask in it.
pub(crate) struct Topic {
    /// One word.
    pub(crate) name: &'static str,
    /// Sentences that say no more than what the topic is.
    pub(crate) about: &'static [&'static str],
    /// What its questions are about.
    pub(crate) subjects: &'static [Subject],
    /// What is asked about each of them.
    pub(crate) questions: &'static [Question],
}

/// One thing, with all its names. Each name fits into each wording.
pub(crate) struct Subject {
    /// In English; the first is the usual one.
    pub(crate) names: &'static [&'static str],
    /// In Chinese.
    pub(crate) chinese: &'static [&'static str],
}

/// One question about a subject in many wordings. `{x}` stands for the subject, and `[a|b]` for either.
pub(crate) struct Question {
    /// One word.
    pub(crate) name: &'static str,
    /// What is trained on.
    pub(crate) wordings: &'static [&'static str],
    /// Wordings that are never trained on.
    pub(crate) held: &'static [&'static str],
    /// What is said to it.
    pub(crate) answers: &'static [&'static str],
    /// Wordings in Chinese.
    pub(crate) chinese: &'static [&'static str],
    /// One in Chinese that is never trained on.
    pub(crate) chinese_held: &'static str,
}

/// A subject, for the lists.
pub(super) const fn subject(names: &'static [&'static str], chinese: &'static [&'static str]) -> Subject {
    Subject { names, chinese }
}
