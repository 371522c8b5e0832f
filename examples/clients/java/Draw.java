import io.drawd.ApiClient;
import io.drawd.ApiException;
import io.drawd.api.DrawsApi;
import io.drawd.api.UnitsApi;
import io.drawd.model.Confirmation;
import io.drawd.model.DrawAnswer;
import io.drawd.model.DrawRequest;
import io.drawd.model.Held;
import io.drawd.model.HoldRequest;
import io.drawd.model.HoldResolved;
import io.drawd.model.UnitItem;
import java.net.URI;
import java.util.UUID;

/** A draw and a hold through the generated client: java Draw URL. The pool "seats" must be there. */
public class Draw {
  public static void main(String[] args) throws Exception {
    URI url = URI.create(args[0]);
    ApiClient node = new ApiClient();
    node.setScheme(url.getScheme());
    node.setHost(url.getHost());
    node.setPort(url.getPort());
    DrawsApi draws = new DrawsApi(node);

    // The key is made, and stored with the order, before anything is sent: then asking again is safe.
    String key = UUID.randomUUID().toString();
    DrawRequest request = new DrawRequest().user("java-" + key.substring(0, 8));
    DrawAnswer first = draws.draw("demo", request, key, null, 2000L, null);
    System.out.println("java draw      " + first.getOutcome() + " " + first.getDraw() + " at " + first.getAt());

    DrawAnswer again = draws.draw("demo", request, key, "1", 2000L, null);
    check(again.getDraw().equals(first.getDraw()), "asked again under its key, the draw is " + again.getDraw());

    // Refusals come as application/problem+json: the body says why, and what the request did.
    try {
      draws.draw("no-such-campaign", request, key, null, null, null);
      check(false, "a campaign that does not exist was drawn from");
    } catch (ApiException e) {
      check(e.getCode() == 404 && e.getResponseBody().contains("\"code\":\"campaign_not_found\""), "refused with " + e.getResponseBody());
      System.out.println("java refused   " + e.getCode() + " campaign_not_found");
    }
    hold(new UnitsApi(node));
  }

  static void hold(UnitsApi units) throws ApiException {
    String order = "order-" + UUID.randomUUID();
    HoldRequest request = new HoldRequest().owner("java-owner").ref(order).ttlMs(120_000L).addItemsItem(new UnitItem().pool("seats").quantity(2L));
    Held held = units.holdUnits(order, request, null, null, null);
    Held again = units.holdUnits(order, request, null, "1", null);
    check(again.getHold().equals(held.getHold()), "asked again under its key, the hold is " + again.getHold());
    HoldResolved confirmed = units.confirmHold(held.getHold(), null, null, null, new Confirmation());
    check("confirmed".equals(String.valueOf(confirmed.getState())), "the hold is " + confirmed.getState());
    System.out.println("java hold      " + confirmed.getState() + " " + held.getHold() + ", held until " + held.getExpiresAt());
  }

  static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }
}
