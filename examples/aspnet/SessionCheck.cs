using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.Extensions.Options;

/// <summary>Checks a session at each request: it refreshes the access token in time, and asks guard serve about the session.</summary>
static class SessionCheck
{
    /// <summary>The item of a request that has the status to answer it with.</summary>
    public const string Answer = "answer";

    /// <returns>when the access token expires</returns>
    public static DateTimeOffset Expiry(AuthenticationProperties properties) =>
        DateTimeOffset.Parse(properties.GetTokenValue("expires_at")!, CultureInfo.InvariantCulture);

    public static async Task ValidateAsync(CookieValidatePrincipalContext context)
    {
        var http = context.HttpContext;
        var status = 401;
        if (await RefreshAsync(context))
        {
            var guard = http.RequestServices.GetRequiredService<Guard>();
            status = await guard.JudgeAsync(context.Properties.GetTokenValue("id_token")!, http.RequestAborted);
        }
        if (status == 200) return;
        context.RejectPrincipal();
        if (status == 401)
            await http.RequestServices.GetRequiredService<Sessions>().RemoveAsync(context.Properties.Items[Sessions.Key]!);
        else
            http.Items[Answer] = status;
    }

    /// <summary>Refreshes the access token, which the broker counts as activity of the user.</summary>
    /// <returns>false: the broker says that the session has ended</returns>
    static async Task<bool> RefreshAsync(CookieValidatePrincipalContext context)
    {
        var properties = context.Properties;
        var services = context.HttpContext.RequestServices;
        var expires = Expiry(properties);
        var before = services.GetRequiredService<IConfiguration>().GetValue("REFRESH_BEFORE_SECONDS", 30);
        if (expires.AddSeconds(-before) > DateTimeOffset.UtcNow) return true;
        var oidc = services.GetRequiredService<IOptionsMonitor<OpenIdConnectOptions>>().Get(OpenIdConnectDefaults.AuthenticationScheme);
        try
        {
            var configuration = await oidc.ConfigurationManager!.GetConfigurationAsync(CancellationToken.None);
            using var form = new FormUrlEncodedContent(new Dictionary<string, string>
            {
                ["grant_type"] = "refresh_token",
                ["refresh_token"] = properties.GetTokenValue("refresh_token")!,
                ["client_id"] = oidc.ClientId!,
                ["client_secret"] = oidc.ClientSecret!,
            });
            // Not ended with the request: the broker may have issued the next refresh token already.
            using var answer = await oidc.Backchannel.PostAsync(configuration.TokenEndpoint, form, CancellationToken.None);
            using var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
            if (answer.IsSuccessStatusCode)
            {
                foreach (var name in new[] { "access_token", "refresh_token", "id_token" })
                    if (json.RootElement.TryGetProperty(name, out var token)) properties.UpdateTokenValue(name, token.GetString()!);
                var seconds = json.RootElement.GetProperty("expires_in").GetInt32();
                properties.UpdateTokenValue("expires_at", DateTimeOffset.UtcNow.AddSeconds(seconds).ToString("o", CultureInfo.InvariantCulture));
                await services.GetRequiredService<Sessions>().RenewAsync(
                    properties.Items[Sessions.Key]!,
                    new AuthenticationTicket(context.Principal!, properties, context.Scheme.Name));
                return true;
            }
            if (json.RootElement.TryGetProperty("error", out var error) && error.GetString() == "invalid_grant") return false;
        }
        catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException or JsonException
            or InvalidOperationException or KeyNotFoundException)
        {
        }
        // Any other failure says nothing about the session: guard serve judges it.
        return true;
    }
}
