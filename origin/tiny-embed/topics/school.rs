//! School.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "school",
    about: &[
        "This is about [school|education|learning].",
        "Pupils, teachers and [lessons|classes].",
        "The students are at the university.",
        "The teacher writes on the board.",
        "这是关于学校的。",
        "老师和学生。",
    ],
    subjects: &[
        subject(&["mathematics", "maths"], &["数学"]),
        subject(&["history", "world history"], &["历史"]),
        subject(&["physics", "mechanics"], &["物理"]),
        subject(&["chemistry", "organic chemistry"], &["化学"]),
        subject(&["biology", "life science"], &["生物"]),
        subject(&["geography", "earth science"], &["地理"]),
        subject(&["English grammar", "English"], &["英语"]),
        subject(&["art", "painting"], &["美术", "绘画"]),
        subject(&["philosophy", "ethics"], &["哲学"]),
        subject(&["economics", "business studies"], &["经济学"]),
        subject(&["literature", "poetry"], &["文学", "诗歌"]),
        subject(&["Latin", "ancient languages"], &["拉丁语"]),
    ],
    questions: &[
        Question {
            name: "homework",
            wordings: &[
                "[Can you help|Help|Please help] me with my {x} homework.",
                "I [do not understand|am stuck with|cannot solve] my {x} [homework|exercise].",
                "When is the {x} homework due?",
                "How do I [solve|do] [this|the] {x} exercise?",
                "What is our homework in {x}?",
            ],
            held: &["I need help to do the homework in {x}.", "This {x} exercise is too hard for me, help."],
            answers: &[
                "I can help you with the {x} homework; [show me the exercise|it is due on Monday].",
                "The homework in {x} is [exercise four|due tomorrow|to read a chapter].",
            ],
            chinese: &["帮我做{x}作业。", "我不会做{x}[作业|练习]。", "{x}作业什么时候交？"],
            chinese_held: "你能帮我做{x}练习吗？",
        },
        Question {
            name: "exam",
            wordings: &[
                "When is the {x} [exam|test]?",
                "How [do|should] I [prepare|study|learn] for the {x} [exam|test]?",
                "Is the {x} [exam|test] [hard|difficult]?",
                "I [failed|passed|have to pass] the {x} [exam|test].",
                "What [comes up|will be asked] in the {x} [exam|test]?",
            ],
            held: &["I have a test in {x} and have to prepare.", "Which questions will be asked at the exam in {x}?"],
            answers: &[
                "The {x} exam is [on Friday|next week]; [prepare well|study the last chapters].",
                "To pass the test in {x}, [study every day|solve old exams].",
            ],
            chinese: &["{x}考试是什么时候？", "怎么准备{x}考试？", "{x}考试难吗？"],
            chinese_held: "我要准备{x}考试。",
        },
        Question {
            name: "teacher",
            wordings: &[
                "Who [teaches|is teaching] {x} [this year|]?",
                "Who is [our|the|my] {x} teacher?",
                "What is the name of the {x} teacher?",
                "I [want|need] to [talk to|meet|write to] the {x} teacher.",
                "Which [teacher|professor] gives the {x} [class|course]?",
            ],
            held: &["Who gives the class in {x}?", "Where do I find the teacher of {x}?"],
            answers: &[
                "{x} is taught by [Ms Miller|Mr Brown|a new teacher].",
                "The teacher of {x} is [Mr Brown|Ms Miller|in room four].",
            ],
            chinese: &["谁教{x}？", "{x}老师是谁？", "{x}老师叫什么名字？"],
            chinese_held: "我们的{x}课由谁教？",
        },
        Question {
            name: "book",
            wordings: &[
                "Which [book|textbook] do we [use|need] [for|in] {x}?",
                "[Recommend|Can you recommend|I look for] a good [book|textbook] [on|about] {x}.",
                "What should I read [about|on] {x}?",
                "Where can I [buy|borrow] the {x} [book|textbook]?",
                "I [lost|forgot] my {x} [book|textbook].",
            ],
            held: &["Which textbook about {x} can you recommend?", "I want to read a book on {x}."],
            answers: &[
                "A good [book|textbook] on {x} is [in the library|the one with the red cover].",
                "For {x} we use the [red|new] textbook.",
            ],
            chinese: &["{x}用哪本[教材|书]？", "推荐一本{x}书。", "哪里[买|借]{x}课本？"],
            chinese_held: "有什么好的{x}教材推荐？",
        },
    ],
};
