//! Record: one fact an exchange, always, before the last byte of its answer leaves (P7).

use std::time::Instant;

use pasarela_model::Code;
use pasarela_net::http1::{Head, Name};

use crate::{
    ctx::Ctx,
    observe::{Fact, FactApi, FactUpstream},
    worker::Worker,
};

impl Ctx<'_> {
    /// Records the exchange when the last byte of a service's answer came in, if that tells how it ends.
    pub(crate) fn record_own(&mut self) {
        if let Some(told) = &self.told {
            if told.waits.get() {
                return;
            }
            if let Some(instead) = &told.instead {
                (self.status, self.bytes_out) = (instead.status.get(), instead.bytes.get());
                if instead.fault.get() {
                    self.problem = Some(Code::ServiceFault);
                }
            }
        }
        self.record(self.worker(), self.head());
    }

    /// Records the exchange, the first time it is called.
    pub(crate) fn record(&mut self, worker: &Worker, head: &Head) {
        if self.recorded {
            return;
        }
        self.recorded = true;
        let now = Instant::now();
        let micros = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
        };
        let snapshot = &self.plane.snapshot;
        let api = self.api.map(|index| &self.plane.apis[index]);
        let operation =
            self.operation.and_then(|index| snapshot.apis[self.api?].operations.get(index));
        worker.observer.record(&Fact {
            unix_ns: self.unix_ns,
            duration_us: micros(self.started, now),
            request_id: self.id.as_str(),
            listener: self.origin.listener,
            protocol: self.protocol,
            client: self.client,
            method: head.method().as_bytes(),
            host: head.get(Name::Host).unwrap_or(b""),
            path: self.path.as_bytes(),
            api: api.map(|api| FactApi {
                name: self.plane.texts.get(api.name),
                version: api.version,
                slot: api.slot,
            }),
            operation: operation.map(|operation| operation.name.as_str()),
            route: api.and_then(|api| api.routes.get(self.operation?).map(String::as_str)),
            application: self
                .application
                .map(|application| snapshot.applications[application].name.as_str()),
            plan: self.plan.map(|plan| snapshot.plans[plan].name.as_str()),
            status: self.status,
            problem: self.problem,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            upstream: self.upstream.map(|call| FactUpstream {
                address: call.address,
                start_us: micros(self.started, call.start),
                duration_us: micros(call.start, call.end.unwrap_or(now)),
                status: call.status,
            }),
            retries: self.retries,
            trace: self.trace,
            aborted: self.aborted,
        });
        if let Some(rate) = self.rate.take() {
            worker.give_small(rate.bytes);
        }
    }
}
