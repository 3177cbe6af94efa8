"""What every source that is asked over HTTP needs: addresses, credentials, bounded answers, a circuit breaker."""
