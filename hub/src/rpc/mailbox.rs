//! The mailbox on the wire.

use std::sync::Arc;

use symbolon_proto::mailbox::mailbox_server::Mailbox as Service;
use symbolon_proto::mailbox::{
    AcknowledgeReply, AcknowledgeRequest, Cancellation, Common, Delivery, Hint, Notice,
    ReceiveRequest, SendReply, SendRequest, delivery,
};
use symbolon_proto::{WireError, mailbox};
use tonic::{Request, Response, Status};

use super::status::malformed;
use super::{Replies, caller};
use crate::mailbox::{self as domain, Mailbox};
use crate::store::Item;

/// Answers members.
pub struct Handler(pub Arc<Mailbox>);

fn item(item: Item) -> delivery::Item {
    match item {
        Item::Notice {
            own_handle,
            handle,
            payload,
            agency,
            query,
        } => delivery::Item::Notice(Notice {
            own_handle: own_handle.0.to_vec(),
            handle: handle.0.to_vec(),
            payload: payload.0.to_vec(),
            query,
            agency: agency.to_string(),
        }),
        Item::Cancellation { own_handle, handle } => delivery::Item::Cancellation(Cancellation {
            own_handle: own_handle.0.to_vec(),
            handle: handle.0.to_vec(),
        }),
        Item::Common { own_handle } => delivery::Item::Common(Common {
            own_handle: own_handle.0.to_vec(),
        }),
        Item::Envelope(envelope) => delivery::Item::Envelope(envelope.into()),
    }
}

fn delivery(delivery: domain::Delivery) -> Delivery {
    match delivery {
        domain::Delivery::Item(sequence, kept) => Delivery {
            sequence,
            item: Some(item(*kept)),
        },
        domain::Delivery::Hint(hint) => {
            let hint = match hint {
                domain::Hint::Roster => Hint::Roster,
                domain::Hint::Agreements => Hint::Agreements,
                domain::Hint::Custody => Hint::Custody,
            };
            Delivery {
                sequence: 0,
                item: Some(delivery::Item::Hint(hint.into())),
            }
        }
    }
}

#[tonic::async_trait]
impl Service for Handler {
    async fn send(&self, request: Request<SendRequest>) -> Result<Response<SendReply>, Status> {
        let caller = caller(&request)?;
        let SendRequest { envelope } = request.into_inner();
        let envelope: Result<mailbox::Envelope, _> = envelope.ok_or(WireError::Missing("envelope"));
        let envelope = envelope
            .and_then(TryInto::try_into)
            .map_err(|error| malformed(&error))?;
        self.0.send(&caller, envelope).await?;
        Ok(Response::new(SendReply {}))
    }

    type ReceiveStream = Replies<Delivery>;

    async fn receive(
        &self,
        request: Request<ReceiveRequest>,
    ) -> Result<Response<Self::ReceiveStream>, Status> {
        let caller = caller(&request)?;
        let ReceiveRequest { after } = request.into_inner();
        let reception = self.0.receive(&caller, after).await?;
        let deliveries = futures::stream::try_unfold(reception, |mut reception| async move {
            let next = reception.next().await?;
            Ok(next.map(|next| (delivery(next), reception)))
        });
        Ok(Response::new(Box::pin(deliveries)))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeReply>, Status> {
        let caller = caller(&request)?;
        let AcknowledgeRequest { up_to } = request.into_inner();
        self.0.acknowledge(&caller, up_to).await?;
        Ok(Response::new(AcknowledgeReply {}))
    }
}
