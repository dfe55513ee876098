//! Matching on the wire.

use std::sync::Arc;

use symbolon_core::row::{self, Handle};
use symbolon_proto::WireError;
use symbolon_proto::matching::matching_server::Matching as Service;
use symbolon_proto::matching::{
    HandlesReply, HandlesRequest, Hit, HoldingsReply, HoldingsRequest, QueryReply, QueryRequest,
    Row, SubmitReply, SubmitRequest, WithdrawReply, WithdrawRequest,
};
use tonic::{Request, Response, Status};

use super::caller;
use super::status::malformed;
use crate::matching::Matching;
use crate::store;

/// Answers members.
pub struct Handler(pub Arc<Matching>);

fn rows(wire: Vec<Row>) -> Result<Vec<row::Row>, Status> {
    wire.into_iter()
        .map(TryInto::try_into)
        .collect::<Result<_, WireError>>()
        .map_err(|error| malformed(&error))
}

fn handle(bytes: &[u8]) -> Result<Handle, Status> {
    Handle::try_from(bytes).map_err(|_| malformed(&WireError::Malformed("handle")))
}

fn hit(hit: store::Hit) -> Hit {
    let store::Hit {
        query_handle,
        handle,
        payload,
        agency,
    } = hit;
    Hit {
        query_handle: query_handle.0.to_vec(),
        handle: handle.0.to_vec(),
        payload: payload.0.to_vec(),
        agency: agency.to_string(),
    }
}

#[tonic::async_trait]
impl Service for Handler {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitReply>, Status> {
        let caller = caller(&request)?;
        let SubmitRequest { rows: wire } = request.into_inner();
        let holdings = self.0.submit(&caller, rows(wire)?).await?;
        Ok(Response::new(SubmitReply {
            holdings: Some(holdings.into()),
        }))
    }

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<QueryReply>, Status> {
        let caller = caller(&request)?;
        let QueryRequest { rows: wire } = request.into_inner();
        let hits = self.0.query(&caller, rows(wire)?).await?;
        Ok(Response::new(QueryReply {
            hits: hits.into_iter().map(hit).collect(),
        }))
    }

    async fn withdraw(
        &self,
        request: Request<WithdrawRequest>,
    ) -> Result<Response<WithdrawReply>, Status> {
        let caller = caller(&request)?;
        let WithdrawRequest { handles } = request.into_inner();
        let handles = handles
            .iter()
            .map(|bytes| handle(bytes))
            .collect::<Result<_, _>>()?;
        let done = self.0.withdraw(&caller, handles).await?;
        Ok(Response::new(WithdrawReply {
            holdings: Some(done.holdings.into()),
            withdrawn: done.withdrawn,
            cancelled: done.cancelled,
        }))
    }

    async fn holdings(
        &self,
        request: Request<HoldingsRequest>,
    ) -> Result<Response<HoldingsReply>, Status> {
        let caller = caller(&request)?;
        let HoldingsRequest {} = request.into_inner();
        let holdings = self.0.holdings(&caller).await?;
        Ok(Response::new(HoldingsReply {
            holdings: Some(holdings.into()),
        }))
    }

    async fn handles(
        &self,
        request: Request<HandlesRequest>,
    ) -> Result<Response<HandlesReply>, Status> {
        let caller = caller(&request)?;
        let HandlesRequest { after, limit } = request.into_inner();
        let after = match after.as_slice() {
            [] => None,
            bytes => Some(handle(bytes)?),
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let handles = self.0.handles(&caller, after, limit).await?;
        Ok(Response::new(HandlesReply {
            handles: handles.iter().map(|handle| handle.0.to_vec()).collect(),
        }))
    }
}
