//! Plain data about clients: [`Agent`] instead of a user agent, [`TruncatedAddress`] instead of an
//! address.

mod address;
mod agent;

pub use self::{
    address::TruncatedAddress,
    agent::{Agent, Device, DeviceClass},
};
