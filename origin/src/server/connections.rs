//! connections, the shell: accepts, greets, speaks, and closes who has to go.
//!
//! Who that is [`Seats`] says. A connection is looked at once more before it goes: whoever's head lies in the kernel is heard.

use super::seats::{Bounds, Peer, Seat, Seats};
use crate::api::respond::Granted;
use crate::tls::Tls;
use axum::Router;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// How long a request's head may take to arrive, and a connection may lie idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long TLS may take to be agreed on.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Accepts connections until the origin closes, and then waits for those that are open to finish what they answer.
/// `places`: how many requests may run and wait.
pub(crate) async fn accept(
    (listener, tls): (TcpListener, Option<Arc<Tls>>),
    places: usize,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let room = Arc::new(Room {
        state: Mutex::new(State { seats: Seats::new(Bounds::of(places)), wakers: HashMap::new() }),
        freed: Notify::new(),
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            room.has_a_seat().await;
            listener.accept().await
        };
        tokio::select! {
            biased;
            () = closed(&mut closing) => break,
            // Collects what is over.
            Some(_) = connections.join_next() => {}
            accepted = accepted => match accepted {
                Ok((stream, from)) => {
                    let sitting = room.arrive(Peer::of(from.ip()));
                    connections.spawn(connection(stream, tls.clone(), router.clone(), sitting, closing.clone()));
                }
                // Its peer has gone before it was looked at.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Out of file descriptors, mostly: one that nobody uses makes room.
                    tracing::warn!(%error, "a connection could not be accepted");
                    room.shed();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits until the origin closes, or is gone.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closed| *closed).await;
}

async fn connection(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    router: Router,
    sitting: Sitting,
    closing: watch::Receiver<bool>,
) {
    // Tokens are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return speak(stream, router, sitting, closing).await };
    let greeted = tokio::select! {
        biased;
        greeted = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)) => greeted,
        () = sitting.sent_away() => return tracing::debug!("a connection that was not greeted yet made room"),
    };
    match greeted {
        Ok(Ok(stream)) => speak(stream, router, sitting, closing).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection was not greeted"),
        Err(_) => tracing::debug!("a connection took too long to be greeted"),
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    sitting: Sitting,
    mut closing: watch::Receiver<bool>,
) {
    let routes = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        // From here on the connection stays, until the last byte of the answer is handed over.
        let working = Working::new(&sitting);
        let answer = routes.call(request);
        async move {
            let response = answer.await?;
            if response.extensions().get::<Granted>().is_some() {
                working.is_a_gates();
            }
            Ok::<_, Infallible>(response.map(|body| Held { body, _working: working }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = sitting.sent_away() => return tracing::debug!("an idle connection made room"),
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// All connections.
struct Room {
    state: Mutex<State>,
    /// Told when somebody has gone.
    freed: Notify,
}

struct State {
    seats: Seats,
    wakers: HashMap<Seat, Arc<Notify>>,
}

impl Room {
    /// Waits for one. Only where as many are busy as there are seats does that take longer than it takes somebody to go.
    async fn has_a_seat(&self) {
        loop {
            let freed = self.freed.notified();
            if !self.lock().seats.is_full() {
                return;
            }
            freed.await;
        }
    }

    fn arrive(self: &Arc<Self>, peer: Peer) -> Sitting {
        let mut state = self.lock();
        let (seat, told) = (state.seats.arrive(peer), Arc::new(Notify::new()));
        state.wakers.insert(seat, Arc::clone(&told));
        state.send_away(peer);
        Sitting { room: Arc::clone(self), seat, peer, told }
    }

    fn shed(&self) {
        let mut state = self.lock();
        if let Some(seat) = state.seats.shed() {
            state.tell(seat);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section panics halfway through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn send_away(&mut self, peer: Peer) {
        while let Some(seat) = self.seats.excess(peer) {
            self.tell(seat);
        }
    }

    fn tell(&self, seat: Seat) {
        if let Some(told) = self.wakers.get(&seat) {
            told.notify_one();
        }
    }
}

/// One connection's seat. Dropping it gives it back.
struct Sitting {
    room: Arc<Room>,
    seat: Seat,
    peer: Peer,
    told: Arc<Notify>,
}

impl Sitting {
    /// Waits until it has to go.
    async fn sent_away(&self) {
        loop {
            self.told.notified().await;
            if self.room.lock().seats.is_leaving(self.seat) {
                return;
            }
        }
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        state.seats.leave(self.seat);
        state.wakers.remove(&self.seat);
        drop(state);
        self.room.freed.notify_one();
    }
}

/// A request whose head has come. Dropping it says that its answer is over.
struct Working {
    room: Arc<Room>,
    seat: Seat,
    peer: Peer,
}

impl Working {
    fn new(sitting: &Sitting) -> Self {
        sitting.room.lock().seats.work(sitting.seat);
        Self { room: Arc::clone(&sitting.room), seat: sitting.seat, peer: sitting.peer }
    }

    fn is_a_gates(&self) {
        self.room.lock().seats.know(self.seat);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        state.seats.rest(self.seat);
        state.send_away(self.peer);
    }
}

/// An answer's body, which holds the seat.
struct Held {
    body: Body,
    _working: Working,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
