//! Alerts: the one object that looks at what the Meters have added up, by the rules of the plan table, and tells webhooks.
//!
//! What an incident is, when it is over and what is sent of it, `sluice_protocol::alerts` decides. An isolate that has counted
//! something says so once in a while, and the object then looks every ten seconds, by its alarm, until nothing was counted for
//! a while; where nothing happens and nothing is open, it sleeps. Its state is one row.

use super::alarm::ring_within;
use super::transaction::together;
use crate::config::{Config, config_of};
use crate::hop::{Waits, meter};
use crate::limit::plans;
use crate::platform::deadline::Deadline;
use crate::platform::objects::Object;
use crate::platform::respond::HeaderList;
use crate::platform::rows::Rows;
use crate::platform::{self, Body, Context, Env, Result, State, Storage};
use crate::telemetry;
use futures_util::future::join_all;
use sluice_protocol::alerts::call::{AlertsAnswer, AlertsCall, decode_call, encode_answer};
use sluice_protocol::alerts::watch::{Delivery, Sent, Watch};
use sluice_protocol::alerts::webhook::Webhook;
use sluice_protocol::limit::plan::PlanTable;
use sluice_protocol::measures::meter::Reading;
use sluice_protocol::measures::report::Span;
use sluice_protocol::measures::{LONG_MS, SHORT_MS};
use sluice_protocol::refusal::Refusal;
use sluice_protocol::telemetry::Line;
use sluice_protocol::time::Millis;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The object.
pub struct Alerts {
    rows: Rows,
    storage: Rc<Storage>,
    env: Env,
    watch: RefCell<Option<Watch>>,
    /// Until when it looks although nothing is open: somebody has counted something.
    awake_until: Cell<Millis>,
    /// Since when it looks and sends: one alarm at a time. One that is lost ends by itself.
    busy_since: Cell<Option<Millis>>,
}

impl Object for Alerts {
    fn new(state: State, env: Env) -> Self {
        Self {
            rows: Rows::new(&state, "alerts"),
            storage: state.storage(),
            env,
            watch: RefCell::new(None),
            awake_until: Cell::new(0),
            busy_since: Cell::new(None),
        }
    }

    async fn answer(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let call = decode_call(&message).map_err(|error| error.to_string())?;
        let answer = match call {
            AlertsCall::Look => {
                self.awake_until.set(platform::now() + AWAKE_MS);
                // It may be set to the end of a budget's month.
                ring_within(&self.storage, LOOK_MS).await?;
                AlertsAnswer::Looking
            }
            AlertsCall::View => {
                let (config, table) = self.settings().await?;
                let view = self.watch(|watch| watch.view(&table.alerts, &config.webhooks, platform::now()))?;
                let view = serde_json::to_string(&view).map_err(|error| error.to_string())?;
                AlertsAnswer::View(view)
            }
            AlertsCall::Test { webhook } => {
                let config = config_of(&self.env).map_err(fault)?;
                match config.webhooks.iter().find(|one| one.name == webhook) {
                    Some(webhook) => {
                        let nonce = u64::from_be_bytes(platform::random());
                        let delivery = self.watch(|watch| watch.test(webhook, platform::now(), nonce))?;
                        let sent = send(webhook, &delivery).await;
                        self.change(|watch| {
                            watch.sent(delivery.id, sent, platform::now());
                            true
                        })?;
                        AlertsAnswer::Tested(sent)
                    }
                    None => AlertsAnswer::NoSuchWebhook,
                }
            }
        };
        Ok(encode_answer(&answer))
    }

    async fn alarm(&self) -> Result<()> {
        let now = platform::now();
        if self.busy_since.get().is_some_and(|since| now.abs_diff(since) < BUSY_MS) {
            return Ok(());
        }
        self.busy_since.set(Some(now));
        let done = self.look_and_tell().await;
        self.busy_since.set(None);
        // Also where the plans or the Meters could not be asked: the next look may find them.
        if let Err(error) = &done {
            telemetry::write(&Line::trouble("alerts are not looked for", error.to_string()));
        }
        let now = platform::now();
        let next = self.watch(|watch| watch.next_at(now))?;
        // The platform takes an object out of memory between two looks: what was counted says more than what it remembers.
        let is_awake = now < self.awake_until.get() || done.unwrap_or(true);
        let awake = is_awake.then_some(now + LOOK_MS);
        match next.into_iter().chain(awake).min() {
            Some(at) => self.storage.set_alarm(at.saturating_sub(now).max(SOON_MS)).await,
            None => Ok(()),
        }
    }
}

impl Alerts {
    /// Returns whether anything was counted lately.
    async fn look_and_tell(&self) -> Result<bool> {
        let (config, table) = self.settings().await?;
        let span = Span::Short(platform::now().saturating_sub(HOUR_MS));
        let (reading, meters) = meter::read(&self.env, span, Waits::AsLongAsItTakes).await;
        // What one Meter alone knows would seem to be over where that one cannot be asked.
        if meters < meter::ALL {
            return Err(format!("{meters} of {} Meters tell anything", meter::ALL).into());
        }
        self.change(|watch| watch.look(&table.alerts, &config.webhooks, &reading, platform::now()))?;
        let due = self.watch(|watch| watch.due(platform::now()))?;
        let told = config.webhooks.iter().map(|webhook| self.tell(webhook, &due));
        join_all(told).await.into_iter().collect::<Result<()>>()?;
        Ok(is_lively(&reading, platform::now()))
    }

    /// Tells one webhook what is due, beside the others: one that is slow holds up nobody but itself, and that not for long.
    async fn tell(&self, webhook: &Webhook, due: &[Delivery]) -> Result<()> {
        let began = platform::now();
        for delivery in due.iter().filter(|delivery| delivery.webhook == webhook.name) {
            let sent = send(webhook, delivery).await;
            self.change(|watch| {
                watch.sent(delivery.id, sent, platform::now());
                true
            })?;
            // What is left is due at the next ring.
            if sent == Sent::Unreached || platform::now().abs_diff(began) >= TURN_MS {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn settings(&self) -> Result<(Rc<Config>, Rc<PlanTable>)> {
        let config = config_of(&self.env).map_err(fault)?;
        let table = plans::current(&self.env, &config.plans, &Context::of_object()).await.map_err(fault)?;
        Ok((config, table))
    }

    /// Looks at the state, which is read if need be.
    fn watch<T>(&self, look: impl FnOnce(&mut Watch) -> T) -> Result<T> {
        let mut watch = self.watch.borrow_mut();
        if watch.is_none() {
            *watch = Some(self.load()?);
        }
        Ok(look(watch.as_mut().expect("loaded above")))
    }

    /// Changes it, and stores it if the change says that there was one.
    fn change(&self, change: impl FnOnce(&mut Watch) -> bool) -> Result<()> {
        let packed = self.watch(|watch| change(watch).then(|| watch.encode()))?;
        let Some(packed) = packed else { return Ok(()) };
        let stored = together(&self.storage, || self.rows.put(WATCH_ROW, &packed));
        stored.inspect_err(|_| {
            // Memory is ahead of the disk: what is there is read again.
            self.rows.forget();
            self.watch.replace(None);
        })
    }

    /// What another version has written is not read: what is open is found again.
    fn load(&self) -> Result<Watch> {
        let row = self.rows.all()?.into_iter().find(|(id, _)| *id == WATCH_ROW);
        Ok(row.and_then(|(_, packed)| Watch::decode(&packed).ok()).unwrap_or_default())
    }
}

/// Whether anything was counted in the last [`AWAKE_MS`]. What lies further ahead than clocks differ was left there by one that
/// was wrong.
fn is_lively(reading: &Reading, now: Millis) -> bool {
    let lately = now.saturating_sub(AWAKE_MS) / SHORT_MS..=now.saturating_add(LONG_MS) / SHORT_MS;
    reading.slots.iter().any(|slot| lately.contains(&slot.number))
}

fn fault(refusal: Refusal) -> platform::Fault {
    refusal.detail.unwrap_or_else(|| refusal.message.into_owned()).into()
}

/// Sends one message, and says what became of it. Redirects are not followed.
async fn send(webhook: &Webhook, delivery: &Delivery) -> Sent {
    let request = webhook.request(&delivery.notice, platform::now());
    let mut headers = HeaderList::new();
    request.headers.iter().for_each(|header| headers.set(header.name, &header.value));
    let body = Body::of_bytes(request.body.as_bytes());
    // Where there is a way that leads to public addresses alone, those that are public take it.
    let way = if webhook.is_private { "WEBHOOKS_PRIVATE" } else { "WEBHOOKS" };
    let sent = platform::fetch_from_origin(way, &request.url, "POST", &headers.to_json(), Some(&body));
    let (Ok(sent), Ok(deadline)) = (sent, Deadline::new(None)) else { return Sent::Unreached };
    deadline.set(WEBHOOK_MS);
    let Some(Ok(response)) = deadline.limit(sent).await else { return Sent::Unreached };
    let status = response.head().status();
    // Of an answer that is long, or never ends, the status is all that counts.
    let body = match deadline.limit(Body::of_response(&response, MAX_ANSWER_BYTES)).await {
        Some(Ok(body)) => body.bytes(),
        _ => Vec::new(),
    };
    webhook.answered(status, &body)
}

const WATCH_ROW: i64 = 0;
const HOUR_MS: Millis = 3_600_000;
/// How often it looks, in milliseconds.
const LOOK_MS: Millis = 10_000;
/// It never rings more often than this.
const SOON_MS: Millis = 500; // not a status: milliseconds
/// For how long it looks after somebody has counted something.
const AWAKE_MS: Millis = 90_000;
/// After so long an alarm that is at work is taken for lost.
const BUSY_MS: Millis = 300_000;
/// The longest answer that is looked at, in bytes: robots say in it whether they took a message.
const MAX_ANSWER_BYTES: u64 = 4 << 10;
/// How long one webhook is told things without a look in between, in milliseconds.
const TURN_MS: Millis = 20_000;
/// How long a webhook may take to answer, in milliseconds.
const WEBHOOK_MS: u32 = 10_000;
