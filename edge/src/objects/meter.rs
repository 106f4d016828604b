//! A Meter: what isolates have counted, added up. It decides nothing: `sluice_protocol::measures::meter` does, and this keeps
//! the rows.
//!
//! A report writes two rows, its five seconds and the sums, and a third one where it brings requests. A minute that is over is
//! a row more, and what is old is deleted.

use super::transaction::together;
use crate::platform::objects::Object;
use crate::platform::rows::Rows;
use crate::platform::{self, Env, Fault, Result, State, Storage};
use sluice_protocol::measures::call::{MeterAnswer, MeterCall};
use sluice_protocol::measures::kept::Kept;
use sluice_protocol::measures::meter::{Meter as Sums, Written};
use sluice_protocol::measures::report::{decode, encode};
use sluice_protocol::measures::slots::{Slot, Slots};
use std::cell::RefCell;
use std::rc::Rc;

/// The object.
pub struct Meter {
    sums: Rows,
    short: Rows,
    long: Rows,
    kept: Rows,
    storage: Rc<Storage>,
    known: RefCell<Option<Sums>>,
}

impl Object for Meter {
    fn new(state: State, _env: Env) -> Self {
        let [sums, short, long, kept] =
            ["meter_sums", "meter_short", "meter_long", "meter_kept"].map(|table| Rows::new(&state, table));
        Self { sums, short, long, kept, storage: state.storage(), known: RefCell::new(None) }
    }

    fn answer_at_once(&self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        self.done(message).map(Some)
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        self.done(&message)
    }
}

impl Meter {
    fn done(&self, message: &[u8]) -> Result<Vec<u8>> {
        let call: MeterCall = decode(message).map_err(|error| error.to_string())?;
        let answer = self.answered(call);
        if answer.is_err() {
            // Memory may be ahead of the disk: the next call reads again.
            self.known.replace(None);
            [&self.sums, &self.short, &self.long, &self.kept].into_iter().for_each(Rows::forget);
        }
        Ok(encode(&answer?))
    }

    fn answered(&self, call: MeterCall) -> Result<MeterAnswer> {
        let mut known = self.known.borrow_mut();
        if known.is_none() {
            *known = Some(self.load()?);
        }
        let known = known.as_mut().expect("loaded above");
        Ok(match call {
            MeterCall::Take(report) => {
                let written = known.take(*report, platform::now());
                together(&self.storage, || self.store(known, &written))?;
                MeterAnswer::Taken
            }
            MeterCall::Read(span) => MeterAnswer::Read(Box::new(known.read(span, platform::now()))),
            MeterCall::ReadKept => MeterAnswer::Kept(known.kept.rows()),
        })
    }

    fn store(&self, known: &Sums, written: &Written) -> Result<()> {
        self.sums.put(SUMS_ROW, &encode(&known.sums))?;
        let slots = [
            (&self.short, &known.short, written.short.as_slice(), &written.short_forgotten),
            (&self.long, &known.long, written.long.as_slice(), &written.long_forgotten),
        ];
        for (rows, tallies, changed, forgotten) in slots {
            for slot in changed {
                if let Some(tally) = tallies.get(*slot) {
                    rows.put(id(*slot)?, &encode(tally))?;
                }
            }
            for slot in forgotten {
                rows.delete(id(*slot)?)?;
            }
        }
        for place in &written.kept.forgotten {
            self.kept.delete(id(*place)?)?;
        }
        if let Some(place) = written.kept.written
            && let Some(row) = known.kept.row(place)
        {
            self.kept.put(id(place)?, row)?;
        }
        Ok(())
    }

    fn load(&self) -> Result<Sums> {
        let sums = self.sums.all()?.into_iter().find(|(row, _)| *row == SUMS_ROW);
        let sums = sums.and_then(|(_, packed)| decode(&packed).ok()).unwrap_or_default();
        let kept = self.kept.all()?.into_iter().filter_map(|(id, packed)| Some((u64::try_from(id).ok()?, packed)));
        let kept = Kept::of_rows(kept.collect());
        Ok(Sums { sums, short: slots(&self.short)?, long: slots(&self.long)?, kept })
    }
}

/// What a table holds. What an older version wrote is not read: a curve begins anew, and so do its sums.
fn slots(rows: &Rows) -> Result<Slots> {
    let read =
        |(id, packed): (i64, Vec<u8>)| Some(Slot { number: u64::try_from(id).ok()?, tally: decode(&packed).ok()? });
    Ok(Slots::of_rows(rows.all()?.into_iter().filter_map(read).collect()))
}

fn id(slot: u64) -> Result<i64> {
    i64::try_from(slot).map_err(|_| Fault::from("a time that no clock shows".to_owned()))
}

const SUMS_ROW: i64 = 0;
