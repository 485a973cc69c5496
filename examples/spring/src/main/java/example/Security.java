package example;

import static org.springframework.security.config.Customizer.withDefaults;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.server.resource.introspection.OpaqueTokenIntrospector;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
class Security {
  /**
   * The API accepts access tokens and has no sessions. Only tokens of users have the scope openid:
   * those of client_credentials do not.
   */
  @Bean
  @Order(1)
  SecurityFilterChain api(HttpSecurity http, OpaqueTokenIntrospector accessTokens) throws Exception {
    return http.securityMatcher("/api/**")
        .authorizeHttpRequests(requests -> requests.anyRequest().hasAuthority("SCOPE_openid"))
        .oauth2ResourceServer(server -> server.opaqueToken(tokens -> tokens.introspector(accessTokens)))
        .build();
  }

  /** The pages sign users in, and accept logout tokens at /logout/connect/back-channel/broker. */
  @Bean
  @Order(2)
  SecurityFilterChain pages(HttpSecurity http) throws Exception {
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2Login(withDefaults())
        .oidcLogout(logout -> logout.backChannel(withDefaults()))
        .build();
  }

  /** The last value is the default audience of this client's access tokens. */
  @Bean
  OpaqueTokenIntrospector accessTokens(
      @Value("${ISSUER}") String issuer, @Value("${CLIENT_ID}") String clientId, @Value("${CLIENT_SECRET}") String clientSecret) {
    return new AccessTokens(issuer, clientId, clientSecret, "urn:case-manager:instance:" + clientId);
  }
}
