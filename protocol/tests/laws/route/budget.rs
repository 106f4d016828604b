//! The budget of tries after the first, against a sum over each span.

use proptest::prelude::*;
use sluice_protocol::route::budget::{A_MS, FOR_EACH, MOST, RetryBudget};
use sluice_protocol::time::Millis;

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(Millis),
    Came,
    Spend,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![1 => (0..300_u64).prop_map(Step::Wait), 3 => Just(Step::Came), 9 => Just(Step::Spend)];
    prop::collection::vec(step, 0..1_500)
}

proptest! {
    #![proptest_config(crate::cases(200))]

    #[test]
    fn no_span_has_more_tries_than_its_requests_and_its_time_allow(steps in steps()) {
        let (mut budget, mut now) = (RetryBudget::default(), 5_000);
        // Thousandths of a try that were spent so far, less what was earned so far: it may rise by what is held at
        // most.
        let (mut balance, mut lowest) = (0_i64, 0_i64);
        budget.came(now);
        for step in steps {
            match step {
                Step::Wait(ms) => {
                    now += ms;
                    balance -= (ms * A_MS) as i64;
                }
                Step::Came => {
                    budget.came(now);
                    balance -= FOR_EACH as i64;
                }
                Step::Spend if budget.spend(now) => balance += 1_000,
                Step::Spend => {}
            }
            lowest = lowest.min(balance);
            prop_assert!(balance - lowest <= MOST as i64, "{} of {MOST} in one span", balance - lowest);
        }
    }

    #[test]
    fn where_few_fail_each_is_tried_again(came in 5_u64..500) {
        let mut budget = RetryBudget::default();
        let at_once = (0..).take_while(|_| budget.spend(0)).count() as u64;
        prop_assert_eq!(at_once, MOST / 1_000);
        (0..came).for_each(|_| budget.came(0));
        let spent = (0..came).filter(|_| budget.spend(0)).count() as u64;
        prop_assert_eq!(spent, came * FOR_EACH / 1_000);
    }
}
