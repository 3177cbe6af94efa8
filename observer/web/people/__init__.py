"""Who a person is, on the page and on the API: sign-in, sessions, roles, and what protects them from other sites."""
