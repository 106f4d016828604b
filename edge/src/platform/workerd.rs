//! The platform in production: workerd, here and at Cloudflare.

pub mod body;
pub mod pipe;
pub mod promise;
