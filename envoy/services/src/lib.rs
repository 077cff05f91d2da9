//! The recipe's three services as one small HTTP program.
