//! What people say, by topic: subjects, and what is asked about each, in wordings that are trained on and others that
//! are kept from the training. A subject with a question is a **meaning**.

mod animals;
mod anything;
mod computing;
mod cooking;
mod gates;
mod health;
mod home;
mod money;
mod music;
mod school;
mod sport;
mod topic;
mod travel;
mod weather;

pub(crate) use topic::{Question, Subject, Topic};

/// All topics.
pub(crate) const TOPICS: [&Topic; 12] = [
    &weather::TOPIC,
    &travel::TOPIC,
    &cooking::TOPIC,
    &money::TOPIC,
    &computing::TOPIC,
    &sport::TOPIC,
    &health::TOPIC,
    &school::TOPIC,
    &gates::TOPIC,
    &home::TOPIC,
    &music::TOPIC,
    &animals::TOPIC,
];

/// A question about a subject.
#[derive(Clone, Copy)]
pub(crate) struct Meaning {
    /// Its number, from 0 on.
    pub(crate) number: usize,
    /// The place of its topic in [`TOPICS`].
    pub(crate) topic: usize,
    /// What it is about.
    pub(crate) subject: &'static Subject,
    /// What is asked.
    pub(crate) question: &'static Question,
}

impl Meaning {
    /// Whether nothing of it is trained on: its subject and its question are, each with others.
    pub(crate) const fn is_held(&self) -> bool {
        self.number % 17 == 5
    }
}

/// All meanings, in one order.
pub(crate) fn meanings() -> Vec<Meaning> {
    let mut all = Vec::new();
    for (topic, of) in TOPICS.into_iter().enumerate() {
        for subject in of.subjects {
            for question in of.questions.iter().chain(&anything::QUESTIONS) {
                all.push(Meaning { number: all.len(), topic, subject, question });
            }
        }
    }
    all
}
