//! The generated code, nested as the packages are, since they refer to each other by path.
#![allow(missing_docs, clippy::all, clippy::too_many_lines)]

pub mod certificates {
    pub mod v1 {
        tonic::include_proto!("symbolon.certificates.v1");
    }
}

pub mod enrolment {
    pub mod v1 {
        tonic::include_proto!("symbolon.enrolment.v1");
    }
}

pub mod membership {
    pub mod v1 {
        tonic::include_proto!("symbolon.membership.v1");
    }
}

pub mod custody {
    pub mod v1 {
        tonic::include_proto!("symbolon.custody.v1");
    }
}

pub mod matching {
    pub mod v1 {
        tonic::include_proto!("symbolon.matching.v1");
    }
}

pub mod mailbox {
    pub mod v1 {
        tonic::include_proto!("symbolon.mailbox.v1");
    }
}
