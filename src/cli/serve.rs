//! `auditql serve`.
