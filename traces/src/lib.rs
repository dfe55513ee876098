//! Traces of requests through node, hub and custodian, sent over OTLP to a collector of the party's own.
//!
//! Each party holds its own [`Traces`], off unless its settings name a collector. A span has the name of a
//! method, its times and its gRPC status, and nothing else: what there is no call for here cannot be
//! recorded. So this crate goes past `tracing`, whose fields and log lines would otherwise end up in spans.
//!
//! Between parties goes one `traceparent` (W3C Trace Context, level 1): 55 characters, parsed strictly.
//! `tracestate` and baggage are deliberately absent: they carry what their sender likes.

mod config;
mod parent;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanContext, SpanKind, SpanRef, Status, TraceContextExt as _,
    TraceFlags, TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use thiserror::Error;
use tracing::{info, warn};

pub use config::{Endpoint, Sample, TracesConfig};
pub use parent::{HEADER, Parent};

/// Spans that wait for the collector; when it does not keep up, further ones are dropped.
const QUEUE: usize = 2048;
const BATCH: usize = 512;
const EVERY: Duration = Duration::from_secs(1);
/// A collector that takes longer misses the spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Traces cannot be sent.
#[derive(Debug, Error)]
#[error("traces cannot be sent to {endpoint}: {reason}; change `traces` in the settings")]
pub struct TracesError {
    endpoint: String,
    reason: String,
}

/// Makes spans, or does nothing; cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Sending>>);

struct Sending {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

/// A span, or none; it ends when told or dropped.
pub struct Span(Option<Context>);

impl Traces {
    /// None are made.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts sending, if the settings say where. Needs the runtime of tokio around it.
    ///
    /// # Errors
    /// The collector's address cannot be used; whether somebody answers there is not asked.
    pub fn start(
        config: Option<&TracesConfig>,
        program: &'static str,
    ) -> Result<Self, TracesError> {
        let Some(TracesConfig { endpoint, sample }) = config else {
            return Ok(Self::off());
        };
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.as_str())
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| TracesError {
                endpoint: endpoint.as_str().to_owned(),
                reason: error.to_string(),
            })?;
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(EVERY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(queue);
        // Not the default resource, which tells of the machine and reads the environment.
        let resource = Resource::builder_empty().with_service_name(program);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor.build())
            // By the trace's id, whatever its sender wants: parties with one share keep the same traces, and
            // nobody makes another party keep more.
            .with_sampler(Sampler::TraceIdRatioBased(sample.share()))
            .with_resource(resource.build())
            .build();
        info!(endpoint = endpoint.as_str(), "traces are sent");
        if !endpoint.is_loopback() {
            warn!(
                endpoint = endpoint.as_str(),
                "traces leave this machine in clear"
            );
        }
        let tracer = provider.tracer("symbolon");
        Ok(Self(Some(Arc::new(Sending { tracer, provider }))))
    }

    /// Something of this party's own that asks others: the first of a new trace.
    #[must_use]
    pub fn beginning(&self, name: &'static str) -> Span {
        self.span(name.to_owned(), SpanKind::Internal, &Context::new())
    }

    /// A call to another party: below the present span, or the first of a new trace.
    #[must_use]
    pub fn calling(&self, method: &str) -> Span {
        self.span(method.to_owned(), SpanKind::Client, &Context::current())
    }

    /// A request that came: below what its sender said, or the first of a new trace.
    #[must_use]
    pub fn answering(&self, name: &'static str, parent: Option<Parent>) -> Span {
        let context = parent.map_or_else(Context::new, |parent| {
            let (trace, span) = parent.ids();
            let flags = TraceFlags::SAMPLED;
            let remote = SpanContext::new(trace, span, flags, true, TraceState::NONE);
            Context::new().with_remote_span_context(remote)
        });
        self.span(name.to_owned(), SpanKind::Server, &context)
    }

    fn span(&self, name: String, kind: SpanKind, parent: &Context) -> Span {
        let Some(sending) = &self.0 else {
            return Span(None);
        };
        let builder = sending.tracer.span_builder(name).with_kind(kind);
        let span = sending.tracer.build_with_context(builder, parent);
        // What is not kept is told to nobody either.
        let kept = span.span_context().is_sampled();
        Span(kept.then(|| Context::new().with_span(span)))
    }

    /// Sends what waits, and no more after it.
    pub async fn stop(&self) {
        let Some(sending) = &self.0 else {
            return;
        };
        let provider = sending.provider.clone();
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if !matches!(stopped, Ok(Ok(()))) {
            warn!("the last spans could not be sent");
        }
    }
}

impl Span {
    /// Carries out something as part of the span.
    pub async fn within<F: Future>(&self, future: F) -> F::Output {
        match &self.0 {
            Some(context) => future.with_context(context.clone()).await,
            None => future.await,
        }
    }

    /// What the next party is told.
    #[must_use]
    pub fn parent(&self) -> Option<Parent> {
        self.0.as_ref().and_then(|context| told(&context.span()))
    }

    /// It has ended, with a status of gRPC.
    pub fn end(self, code: i32) {
        if let Some(context) = self.0 {
            let span = context.span();
            span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(code)));
            if code != 0 {
                span.set_status(Status::error(""));
            }
            span.end();
        }
    }
}

/// What the next party is told of the present span, if there is one.
#[must_use]
pub fn present() -> Option<Parent> {
    Context::map_current(|context| told(&context.span()))
}

fn told(span: &SpanRef<'_>) -> Option<Parent> {
    let context = span.span_context();
    Parent::new(context.trace_id(), context.span_id()).filter(|_| context.is_sampled())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn off_makes_no_spans_and_tells_nobody() {
        let traces = Traces::start(None, "test").unwrap();
        let span = traces.beginning("x");
        assert_eq!(span.within(async { present() }).await, None);
        assert_eq!(span.parent(), None);
        span.end(0);
        traces.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn calls_within_a_span_are_of_its_trace_and_others_begin_their_own() {
        let config: TracesConfig =
            config::tests::read("endpoint = \"http://127.0.0.1:9\"").unwrap();
        let traces = Traces::start(Some(&config), "test").unwrap();
        let batch = traces.beginning("batch");
        let trace = |span: &Span| span.parent().unwrap().ids().0;
        let inside = batch.within(async { trace(&traces.calling("a")) }).await;
        assert_eq!(inside, trace(&batch));
        assert_ne!(trace(&traces.calling("b")), trace(&batch));
        let there = traces.answering("c", batch.parent());
        assert_eq!(trace(&there), trace(&batch));
        assert_ne!(there.parent(), batch.parent());
        // Of those that are not kept, nothing is told.
        let none: TracesConfig =
            config::tests::read("endpoint = \"http://127.0.0.1:9\"\nsample = 0.0").unwrap();
        let none = Traces::start(Some(&none), "test").unwrap();
        assert_eq!(none.answering("c", batch.parent()).parent(), None);
    }
}
