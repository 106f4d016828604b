//! Cooking.

use super::topic::{Question, Topic, subject};

pub(super) const TOPIC: Topic = Topic {
    name: "cooking",
    about: &[
        "This is about [cooking|food].",
        "[Recipes|Meals] and what to eat.",
        "We cook [dinner|lunch] in the kitchen.",
        "Food, meals, pots and pans.",
        "I am hungry and want to eat something.",
        "这是关于做饭的。",
        "我们在厨房做饭。",
    ],
    subjects: &[
        subject(&["pasta", "spaghetti", "noodles"], &["意大利面", "面条"]),
        subject(&["rice", "basmati rice"], &["米饭", "大米"]),
        subject(&["bread", "a loaf of bread"], &["面包"]),
        subject(&["soup", "broth"], &["汤"]),
        subject(&["cake", "sponge cake"], &["蛋糕"]),
        subject(&["eggs", "boiled eggs"], &["鸡蛋"]),
        subject(&["chicken", "roast chicken"], &["鸡肉", "烤鸡"]),
        subject(&["fish", "salmon"], &["鱼", "三文鱼"]),
        subject(&["potatoes", "mashed potatoes"], &["土豆", "马铃薯"]),
        subject(&["salad", "green salad"], &["沙拉"]),
        subject(&["pancakes", "crepes"], &["煎饼"]),
        subject(&["beans", "lentils"], &["豆子", "扁豆"]),
    ],
    questions: &[
        Question {
            name: "recipe",
            wordings: &[
                "How do I [cook|make|prepare] {x}?",
                "[Give me|Do you have|I need] a [good |simple |quick |]recipe for {x}.",
                "What is the best way to [cook|make|prepare] {x}?",
                "[Teach|Show|Tell] me how to [make|cook] {x}.",
                "What do I need to make {x}?",
                "Which ingredients go into {x}?",
            ],
            held: &["I want to prepare {x}, how does it work?", "Is there a simple way to make {x}?"],
            answers: &[
                "To make {x}, [mix|prepare] the ingredients, add salt and [cook|bake|boil] it.",
                "The recipe for {x} needs [water|flour|oil], salt and [butter|spices].",
            ],
            chinese: &["怎么做{x}？", "{x}的做法是什么？", "[给我|告诉我]{x}的食谱。"],
            chinese_held: "教我做{x}。",
        },
        Question {
            name: "time",
            wordings: &[
                "How long [do I|should I|must I] [cook|boil|bake] {x}?",
                "How many minutes [does it take to cook|do you need for|until I have] {x}?",
                "When [is|are] the {x} [done|ready|cooked]?",
                "What is the cooking time of {x}?",
                "How long until the {x} can be eaten?",
            ],
            held: &["How many minutes do I boil {x}?", "After how many minutes is the {x} ready?"],
            answers: &[
                "Cook {x} for [ten|twelve|twenty] minutes.",
                "After [ten|fifteen|thirty] minutes the {x} [is|are] [done|ready].",
            ],
            chinese: &["{x}要[煮|做]多久？", "{x}需要几分钟？", "{x}什么时候[熟|好]？"],
            chinese_held: "{x}几分钟能熟？",
        },
        Question {
            name: "keep",
            wordings: &[
                "How long does {x} [keep|stay fresh|last] in the fridge?",
                "How [do|should] I [store|keep] [leftover|] {x}?",
                "Can I freeze {x}?",
                "Where do I [store|keep] {x} so that it stays fresh?",
                "When does {x} go [bad|off]?",
            ],
            held: &["How can I keep {x} fresh?", "Can I store leftover {x} in the freezer?"],
            answers: &[
                "{x} keeps [two|three] days in the fridge and can be frozen.",
                "Store {x} in a [closed|cool] [box|place], and it stays fresh.",
            ],
            chinese: &["{x}怎么保存？", "{x}在冰箱里能放多久？", "{x}可以冷冻吗？"],
            chinese_held: "{x}能在冰箱保存多久？",
        },
        Question {
            name: "serve",
            wordings: &[
                "What [goes|tastes good] with {x}?",
                "What [can|do|should] I serve [with|beside|next to] {x}?",
                "Which [sauce|drink|wine|side dish] [goes with|fits|suits] {x}?",
                "What do people eat [with|together with] {x}?",
                "What should I put [on|over] {x}?",
            ],
            held: &["Which side dish should I serve with {x}?", "What suits {x} well?"],
            answers: &[
                "{x} goes well with [vegetables|a tomato sauce|white wine|cheese].",
                "Serve {x} with [herbs|a light sauce|lemon].",
            ],
            chinese: &["{x}配什么[吃|好吃]？", "吃{x}时搭配什么？", "什么[酱|饮料]适合{x}？"],
            chinese_held: "{x}和什么一起吃好？",
        },
    ],
};
