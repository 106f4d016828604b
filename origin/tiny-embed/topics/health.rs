//! Health.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "health",
    about: &[
        "This is about [health|medicine|illness].",
        "Doctors, nurses and [hospitals|patients].",
        "I feel [ill|sick] and have to see a doctor.",
        "The nurse gave the patient a medicine.",
        "这是关于健康的。",
        "医生和病人。",
    ],
    subjects: &[
        subject(&["a headache", "a migraine"], &["头痛", "头疼"]),
        subject(&["a cold", "a runny nose"], &["感冒", "流鼻涕"]),
        subject(&["a fever", "a high temperature"], &["发烧"]),
        subject(&["a cough", "coughing"], &["咳嗽"]),
        subject(&["back pain", "an aching back"], &["背痛", "腰痛"]),
        subject(&["a toothache", "an aching tooth"], &["牙痛", "牙疼"]),
        subject(&["stomach ache", "an upset stomach"], &["胃痛", "肚子疼"]),
        subject(&["insomnia", "sleeplessness"], &["失眠"]),
        subject(&["an allergy", "hay fever"], &["过敏", "花粉症"]),
        subject(&["sunburn", "burnt skin"], &["晒伤"]),
        subject(&["a sore throat", "throat pain"], &["喉咙痛", "嗓子疼"]),
        subject(&["a sprained ankle", "a twisted ankle"], &["脚踝扭伤"]),
    ],
    questions: &[
        Question {
            name: "treat",
            wordings: &[
                "What [helps|can I do|do you do] against {x}?",
                "How [do|can] I [treat|cure|get rid of] {x}?",
                "[Which|What] medicine [is good|should I take|helps] for {x}?",
                "I have {x}, what [helps|should I take|can I do]?",
                "Is there a [remedy|cure|treatment] for {x}?",
            ],
            held: &["Which treatment helps against {x}?", "I have {x} and need a remedy."],
            answers: &[
                "Against {x} [rest|a pill|a warm drink] helps.",
                "{x} is treated with [rest|medicine|a cream] and [sleep|much water].",
            ],
            chinese: &["{x}怎么办？", "{x}吃什么药？", "怎么治{x}？"],
            chinese_held: "有什么办法治疗{x}？",
        },
        Question {
            name: "cause",
            wordings: &[
                "What [causes|brings on|is behind] {x}?",
                "Why do [people|I] [get|have] {x}?",
                "Where does {x} come from?",
                "What are the [causes|reasons] of {x}?",
                "Why do I [always|often] have {x} [in the morning|at night|again]?",
            ],
            held: &["What is the reason that I have {x}?", "Explain to me what causes {x}."],
            answers: &[
                "{x} is caused by [stress|a virus|bad sleep|too little water].",
                "The cause of {x} is often [stress|an infection|the wrong movement].",
            ],
            chinese: &["{x}是什么引起的？", "为什么会{x}？", "{x}的原因是什么？"],
            chinese_held: "我为什么总是{x}？",
        },
        Question {
            name: "doctor",
            wordings: &[
                "When should I see a doctor [with|about|because of] {x}?",
                "Is {x} [dangerous|serious|harmful]?",
                "Do I have to [go to the doctor|see a doctor|go to hospital] with {x}?",
                "Should I [worry|be worried] about {x}?",
                "Which doctor [do I see|is right] for {x}?",
            ],
            held: &["How serious is {x}, do I need a doctor?", "Should I go to hospital because of {x}?"],
            answers: &[
                "See a doctor if {x} lasts [longer than a week|more than three days] or gets worse.",
                "{x} is [rarely|seldom] dangerous, but a doctor should look at it if it stays.",
            ],
            chinese: &["{x}要看医生吗？", "{x}[严重|危险]吗？", "{x}什么时候去医院？"],
            chinese_held: "{x}需要去医院吗？",
        },
        Question {
            name: "prevent",
            wordings: &[
                "How [do|can] I [prevent|avoid] {x}?",
                "How do I protect myself [from|against] {x}?",
                "What can I do so that I do not get {x} [again|]?",
                "[Can one prevent|Is it possible to avoid] {x}?",
                "[Give me|I need] tips to [avoid|prevent] {x}.",
            ],
            held: &["What protects me against {x}?", "I do not want to get {x}, how can I avoid it?"],
            answers: &[
                "To prevent {x}, [sleep enough|drink water|move more|be careful].",
                "You avoid {x} by [good habits|rest|care].",
            ],
            chinese: &["怎么预防{x}？", "怎么避免{x}？", "怎样才不会{x}？"],
            chinese_held: "有什么办法预防{x}？",
        },
    ],
};
