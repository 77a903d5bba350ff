mod directory;
mod fixture;
mod limits;
mod transfer;
