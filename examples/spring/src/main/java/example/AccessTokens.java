package example;

import java.time.Duration;
import java.util.List;
import org.springframework.http.client.SimpleClientHttpRequestFactory;
import org.springframework.http.client.support.BasicAuthenticationInterceptor;
import org.springframework.security.oauth2.core.OAuth2AuthenticatedPrincipal;
import org.springframework.security.oauth2.server.resource.introspection.BadOpaqueTokenException;
import org.springframework.security.oauth2.server.resource.introspection.OpaqueTokenIntrospector;
import org.springframework.security.oauth2.server.resource.introspection.SpringOpaqueTokenIntrospector;
import org.springframework.web.client.RestTemplate;

/**
 * Asks the broker about each access token (RFC 7662), without a cache: a cache would not see a
 * sign-out. Where the broker does not answer, Spring answers 500, and not 401, which would send the
 * user to sign in.
 */
class AccessTokens implements OpaqueTokenIntrospector {
  private final OpaqueTokenIntrospector broker;
  private final String audience;

  AccessTokens(String issuer, String clientId, String clientSecret, String audience) {
    this.audience = audience;
    var requests = new SimpleClientHttpRequestFactory();
    requests.setConnectTimeout(Duration.ofSeconds(2));
    requests.setReadTimeout(Duration.ofSeconds(2));
    var http = new RestTemplate(requests);
    http.getInterceptors().add(new BasicAuthenticationInterceptor(clientId, clientSecret));
    broker = new SpringOpaqueTokenIntrospector(issuer + "/introspect", http);
  }

  /** Rejects also the client's own tokens for other APIs, which the broker tells it about too. */
  @Override
  public OAuth2AuthenticatedPrincipal introspect(String token) {
    var principal = broker.introspect(token);
    List<String> audiences = principal.getAttribute("aud");
    if (audiences == null || !audiences.contains(audience)) throw new BadOpaqueTokenException("The token is for another API.");
    return principal;
  }
}
